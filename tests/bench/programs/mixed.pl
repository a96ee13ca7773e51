# What scripts do: calls, numbers, strings, regular expressions and hashes.
use strict;
use warnings;

sub fibonacci { my $n = shift; return $n < 2 ? $n : fibonacci($n - 1) + fibonacci($n - 2) }

fibonacci(20);
my %words;
for my $number (1 .. 60000) {
    push @{ $words{ 'word' . $number % 997 } }, $number * 0.5;
}
my $text = join ' ', map { "$_=@{$words{$_}}" } sort keys %words;
my $found = () = $text =~ /\bword\d+=/g;
die "$found words" unless $found == 997;
(my $upper = $text) =~ s/word(\d+)/uc("w$1")/ge;
print length($upper), "\n";
