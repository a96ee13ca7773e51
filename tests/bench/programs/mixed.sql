-- Rows in, an index, joins and sums out.
create table item(id integer primary key, name text, price real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 40000)
  insert into item select i, 'item' || (i * 7919 % 40009), i * 0.25 from n;
create index by_name on item(name);
select count(*), sum(a.price * b.id) from item a join item b on b.name = 'item' || a.id;
select substr(name, 1, 5), count(*), avg(price) from item group by 1 order by 3 desc limit 5;
delete from item where id % 3 = 0;
select count(distinct price) from item where name like '%99%';
