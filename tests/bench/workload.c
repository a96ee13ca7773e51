/* What guests spend their time on, one item after the other: prints the name of each and the seconds
 * that it took by the guest's clock. A name as argument selects one; "pair" compares a loop with two
 * at once. Compiled statically for arm64 by
 * `cargo xtask bench`, which runs it in each emulator in turn. */

#define _GNU_SOURCE
#include <arm_acle.h>
#include <arm_neon.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile uint64_t sink;
static const char *program;

/* Compute. */

static void sieve(void) {
    enum { N = 1 << 20 };
    static char composite[N];
    for (int round = 0; round < 12; round++) {
        memset(composite, 0, N);
        for (int i = 2; i < N; i++)
            if (!composite[i])
                for (int j = i * 2; j < N; j += i)
                    composite[j] = 1;
        sink += composite[round];
    }
}

static void crc(void) {
    static uint32_t table[256];
    static unsigned char data[1 << 20];
    for (int i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++)
            c = c & 1 ? 0xedb88320 ^ (c >> 1) : c >> 1;
        table[i] = c;
    }
    uint32_t c = ~0u;
    for (int round = 0; round < 40; round++)
        for (size_t i = 0; i < sizeof data; i++)
            c = table[(c ^ data[i]) & 255] ^ (c >> 8);
    sink += c;
}

__attribute__((noinline)) static int fibonacci(int n) {
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static void calls(void) { sink += fibonacci(33); }

static int ascending(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

static void sort(void) {
    enum { N = 200000 };
    static int values[N];
    unsigned x = 1;
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < N; i++) {
            x = x * 1103515245 + 12345;
            values[i] = x >> 1;
        }
        qsort(values, N, sizeof *values, ascending);
    }
    sink += values[5];
}

static void chase(void) {
    enum { N = 1 << 17 };
    struct node { struct node *next; long rest[7]; } *nodes = malloc(N * sizeof *nodes);
    for (int k = 0, i = 0; k < N; k++) {
        int j = (i + 40503) % N;
        nodes[i].next = &nodes[j];
        i = j;
    }
    struct node *p = nodes;
    for (int k = 0; k < 6000000; k++)
        p = p->next;
    sink += (uintptr_t)p;
    free(nodes);
}

static void copy(void) {
    static char a[1 << 20], b[1 << 20];
    for (int round = 0; round < 300; round++) {
        memcpy(a, b, sizeof a);
        b[round] = round;
    }
    sink += a[7];
}

static void strings(void) {
    static char s[4096];
    memset(s, 'x', 4095);
    for (int round = 0; round < 60000; round++) {
        sink += strlen(s);
        s[round % 4000] = 'y';
        sink += memchr(s, 'q', 4095) != NULL;
    }
}

/* Floating point and vectors. */

static void matrix_double(void) {
    enum { N = 160 };
    static double a[N][N], b[N][N], c[N][N];
    for (int i = 0; i < N * N; i++) {
        a[i / N][i % N] = 1.0 / (i + 1);
        b[i / N][i % N] = i * 0.25 + 1;
    }
    for (int round = 0; round < 5; round++)
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) {
                double sum = 0;
                for (int k = 0; k < N; k++)
                    sum += a[i][k] * b[k][j];
                c[i][j] = sum;
            }
    sink += c[3][4];
}

static void scalar_double(void) {
    double x = 0.5;
    for (int i = 0; i < 6000000; i++) {
        x = x * 1.000001 + 0.000001;
        if (x > 2)
            x /= 3;
    }
    sink += x;
}

static void neon_float(void) {
    enum { N = 1 << 16 };
    static float a[N], b[N];
    for (int i = 0; i < N; i++) {
        a[i] = i + 0.5f;
        b[i] = 1.0f / (i + 1);
    }
    float32x4_t sum = vdupq_n_f32(0);
    for (int round = 0; round < 200; round++)
        for (int i = 0; i < N; i += 4)
            sum = vfmaq_f32(sum, vld1q_f32(a + i), vld1q_f32(b + i));
    sink += vgetq_lane_f32(sum, 0);
}

static void neon_integer(void) {
    enum { N = 1 << 16 };
    static uint8_t a[N], b[N];
    uint8x16_t sum = vdupq_n_u8(0);
    for (int round = 0; round < 1200; round++)
        for (int i = 0; i < N; i += 16)
            sum = vaddq_u8(sum, veorq_u8(vld1q_u8(a + i), vld1q_u8(b + i)));
    sink += vgetq_lane_u8(sum, 0);
}

/* Cryptography and checksums on the instructions for them, and what codecs are made of. */

__attribute__((target("+crypto"))) static void aes(void) {
    enum { ROUNDS = 10, BLOCKS = 4 };
    uint8x16_t key[ROUNDS + 1], block[BLOCKS];
    for (int i = 0; i <= ROUNDS; i++)
        key[i] = vdupq_n_u8(i * 29 + 1);
    for (int i = 0; i < BLOCKS; i++)
        block[i] = vdupq_n_u8(i);
    for (int n = 0; n < 150000; n++)
        for (int i = 0; i < BLOCKS; i++) {
            for (int r = 0; r < ROUNDS - 1; r++)
                block[i] = vaesmcq_u8(vaeseq_u8(block[i], key[r]));
            block[i] = veorq_u8(vaeseq_u8(block[i], key[ROUNDS - 1]), key[ROUNDS]);
        }
    for (int i = 0; i < BLOCKS; i++)
        sink += vgetq_lane_u8(block[i], 0);
}

__attribute__((target("+crypto"))) static void sha256(void) {
    uint32x4_t state[2] = {vdupq_n_u32(0x6a09e667), vdupq_n_u32(0x510e527f)}, w[4];
    uint32x4_t constant = vdupq_n_u32(0x428a2f98);
    for (int i = 0; i < 4; i++)
        w[i] = vdupq_n_u32(i);
    for (int n = 0; n < 1000000; n++) {
        uint32x4_t words = vaddq_u32(w[n & 3], constant), old = state[0];
        state[0] = vsha256hq_u32(state[0], state[1], words);
        state[1] = vsha256h2q_u32(state[1], old, words);
        w[n & 3] = vsha256su1q_u32(vsha256su0q_u32(w[n & 3], w[(n + 1) & 3]), w[(n + 2) & 3],
                                   w[(n + 3) & 3]);
    }
    sink += vgetq_lane_u32(state[0], 0);
}

__attribute__((target("+crypto"))) static void polynomial(void) {
    poly64_t hash = 0x87;
    for (int n = 0; n < 2000000; n++) {
        poly128_t product = vmull_p64(hash, 0x1234567890abcdef + n);
        hash ^= (poly64_t)product ^ (poly64_t)(product >> 64);
    }
    sink += hash;
}

__attribute__((target("+crc"))) static void checksum(void) {
    uint32_t c = ~0u, d = ~0u;
    for (uint64_t n = 0; n < 2000000; n++) {
        c = __crc32d(c, n);
        d = __crc32cd(d, n);
    }
    sink += c ^ d;
}

static void look_up(void) {
    uint8x16_t table = vdupq_n_u8(3), index = vdupq_n_u8(1), sum = vdupq_n_u8(0);
    for (int n = 0; n < 3000000; n++) {
        index = vaddq_u8(index, vdupq_n_u8(7));
        sum = veorq_u8(sum, vqtbl1q_u8(table, vandq_u8(index, vdupq_n_u8(31))));
        table = vaddq_u8(table, sum);
    }
    sink += vgetq_lane_u8(sum, 0);
}

static void saturate(void) {
    enum { N = 1 << 14 };
    static uint8_t a[N], b[N];
    static int16_t c[N];
    for (int i = 0; i < N; i++)
        a[i] = i * 7, c[i] = i * 3;
    for (int round = 0; round < 200; round++)
        for (int i = 0; i < N; i += 8) {
            int16x8_t wide = vreinterpretq_s16_u16(vmovl_u8(vld1_u8(a + i)));
            wide = vqaddq_s16(vqrdmulhq_n_s16(wide, 19000), vld1q_s16(c + i));
            vst1_u8(b + i, vqmovun_s16(vrshrq_n_s16(wide, 3)));
        }
    sink += b[9];
}

/* System. */

static void system_call(void) {
    for (int i = 0; i < 300000; i++)
        syscall(SYS_getppid);
}

static void context_switch(void) {
    int there[2], back[2];
    char c = 0;
    enum { N = 20000 };
    if (pipe(there) || pipe(back))
        exit(1);
    if (!fork()) {
        for (int i = 0; i < N; i++)
            if (read(there[0], &c, 1) != 1 || write(back[1], &c, 1) != 1)
                _exit(1);
        _exit(0);
    }
    for (int i = 0; i < N; i++)
        if (write(there[1], &c, 1) != 1 || read(back[0], &c, 1) != 1)
            exit(1);
    wait(NULL);
}

static void forks(void) {
    for (int i = 0; i < 400; i++) {
        if (!fork())
            _exit(0);
        wait(NULL);
    }
}

static void execs(void) {
    for (int i = 0; i < 150; i++) {
        if (!fork()) {
            execl(program, program, "nothing", (char *)NULL);
            _exit(1);
        }
        wait(NULL);
    }
}

static void page_faults(void) {
    enum { SIZE = 16 << 20 };
    for (int round = 0; round < 10; round++) {
        char *m = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (int i = 0; i < SIZE; i += 4096)
            m[i] = 1;
        munmap(m, SIZE);
    }
}

static void protections(void) {
    char *m = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(m, 1, 1 << 20);
    for (int i = 0; i < 15000; i++) {
        mprotect(m, 4096, PROT_READ);
        mprotect(m, 4096, PROT_READ | PROT_WRITE);
        m[0] = i;
    }
}

static void handler(int number) { sink += number; }

static void signals(void) {
    signal(SIGUSR1, handler);
    for (int i = 0; i < 40000; i++)
        raise(SIGUSR1);
}

static void clocks(void) {
    struct timespec t;
    for (int i = 0; i < 1000000; i++)
        clock_gettime(CLOCK_MONOTONIC, &t);
}

static void atomics(void) {
    static volatile int counter;
    for (int i = 0; i < 5000000; i++)
        __sync_fetch_and_add(&counter, 1);
}

static const struct { const char *kind, *name; void (*run)(void); } items[] = {
    {"compute", "sieve", sieve},           {"compute", "crc", crc},
    {"compute", "calls", calls},           {"compute", "sort", sort},
    {"compute", "chase", chase},           {"compute", "copy", copy},
    {"compute", "strings", strings},       {"compute", "atomics", atomics},
    {"float", "matrix-double", matrix_double}, {"float", "scalar-double", scalar_double},
    {"float", "neon-float", neon_float},   {"float", "neon-integer", neon_integer},
    {"crypto", "aes", aes},                {"crypto", "sha256", sha256},
    {"crypto", "polynomial", polynomial},  {"crypto", "checksum", checksum},
    {"float", "look-up", look_up},         {"float", "saturate", saturate},
    {"system", "system-call", system_call}, {"system", "context-switch", context_switch},
    {"system", "fork", forks},             {"system", "exec", execs},
    {"system", "page-fault", page_faults}, {"system", "mprotect", protections},
    {"system", "signal", signals},         {"system", "clock", clocks},
};

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void loop(void) {
    for (int i = 0; i < 8; i++)
        crc();
}

/* The loop once, and in two processes at the same time. */
static void pair(void) {
    double start = seconds();
    loop();
    printf("item smp one-loop %.4f\n", seconds() - start);
    fflush(stdout);
    start = seconds();
    if (!fork()) {
        loop();
        _exit(0);
    }
    loop();
    wait(NULL);
    printf("item smp two-loops %.4f\nitems done\n", seconds() - start);
}

int main(int argc, char **argv) {
    program = argv[0];
    if (argc > 1 && !strcmp(argv[1], "pair")) {
        pair();
        return 0;
    }
    for (size_t i = 0; i < sizeof items / sizeof *items; i++) {
        if (argc > 1 && strcmp(argv[1], items[i].name))
            continue;
        double start = seconds();
        items[i].run();
        printf("item %s %s %.4f\n", items[i].kind, items[i].name, seconds() - start);
        fflush(stdout);
    }
    if (argc == 1)
        puts("items done");
    return 0;
}
