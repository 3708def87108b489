// Loses blocks of known number in a known way, says "ready LOST DIRECT" and waits.
//
//   lost SHAPE COUNT [end]
//
// The addresses that a shape needs again later are kept masked, so that no copy of them counts.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MASK 0xa5a5a5a5a5a5a5a5ull
#define KEPT 5000
#define THREADS 8

struct node { struct node *next; char fill[40]; };

static void *kept[KEPT];
static long lost, direct;
static __thread void *volatile own[64];
static void *volatile sink;

// Overwrites what dead calls left on the stack.
static __attribute__((noinline)) void scrub(void) {
    volatile char stack[64 << 10];
    for (size_t i = 0; i < sizeof stack; i++) stack[i] = 0;
}

static __attribute__((noinline)) void keep(void) {
    for (int i = 0; i < KEPT; i++) {
        kept[i] = calloc(1, 16 + i % 500);
        // A hole beside each: not all of the heap is in use.
        free(malloc(100 + i % 300));
    }
}

static void keep_at(long at, void *block) {
    free(kept[at]);
    kept[at] = block;
}

static __attribute__((noinline)) void lose(long count) {
    for (long i = 0; i < count; i++) memset(malloc(16 + i % 700), 1, 8);
    lost += count, direct += count;
}

static __attribute__((noinline)) void lose_chains(long count) {
    struct node *last = NULL;
    for (long i = 0; i < count; i++) {
        if (i % 10 == 0) last = NULL, direct++;
        struct node *node = calloc(1, sizeof *node);
        node->next = last;
        sink = last = node;
    }
    // The newest of ten is the head, to which nobody points.
    sink = NULL;
    lost += count;
}

static __attribute__((noinline)) void lose_cycles(long count) {
    for (long i = 0; i < count; i += 2) {
        struct node *one = calloc(1, sizeof *one), *other = calloc(1, sizeof *other);
        one->next = other, other->next = one;
        sink = one;
        lost += 2;
    }
    sink = NULL;
}

struct part { struct part *others[4]; char fill[]; };

// A graph of blocks of 1,200 bytes on average; one in fourteen is lost.
static __attribute__((noinline)) void graph(long count) {
    struct part **parts = calloc(count, sizeof *parts);
    for (long i = 0; i < count; i++) {
        size_t bytes = sizeof **parts + (i * 7919) % 2350;
        struct part *part = memset(malloc(bytes), 1, bytes);
        for (int j = 0; j < 4; j++) part->others[j] = i ? parts[(i * (j + 31)) % i] : NULL;
        if (i % 14 == 13) lost++, direct++, part = NULL;
        parts[i] = part;
    }
    keep_at(0, parts);
}

static __attribute__((noinline)) void keep_inside(long count) {
    char **inside = calloc(count, sizeof *inside);
    for (long i = 0; i < count; i++) inside[i] = (char *)malloc(200) + 1 + i % 199;
    keep_at(0, inside);
}

// Blocks held by a link in their last word alone, each by the one before it, and blocks of which
// only the last word is pointed to, out of an array.
static __attribute__((noinline)) void keep_by_last(long count) {
    struct linked { long number, other; void *next; };
    void **head = calloc(2, sizeof *head), *last = NULL;
    void **array = calloc(count, sizeof *array);
    for (long i = 0; i < count; i++) {
        struct linked *one = malloc(sizeof *one);
        *one = (struct linked){i, 33, last};
        last = &one->next;
        array[i] = (char *)calloc(1, 200 + i % 8 * 16) + 192 + i % 8 * 16;
    }
    head[0] = head[1] = last;
    keep_at(0, head), keep_at(1, array);
}

static __attribute__((noinline)) void keep_shared(void) {
    void **shared = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 500; i++) shared[i] = malloc(64);
}

// Blocks with a mapping of their own; every second is lost.
static __attribute__((noinline)) void mapped(long count) {
    for (long i = 0; i < count; i++) {
        void **block = malloc(200 << 10);
        block[0] = malloc(100);
        if (i % 2) lost += 2, direct++;
        else keep_at(i % KEPT, block);
        sink = block;
    }
    sink = NULL;
}

// Mappings that the kernel cannot join, of which every tenth holds a block.
static __attribute__((noinline)) void mappings(long count) {
    char *all = mmap(NULL, count * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (long i = 0; i + 1 < count && !mprotect(all + i * 4096, 4096, PROT_READ); i += 2)
        if (i % 20 == 0) *(void **)(all + (i + 1) * 4096) = malloc(50);
}

// Writes words that look like addresses, and breaks the header of one block.
static __attribute__((noinline)) void garbage(void) {
    uint64_t seed = 88172645463325252ull;
    for (int i = 0; i < 2000; i++) {
        uint64_t *block = malloc(512);
        for (int j = 0; j < 64; j++) {
            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
            block[j] = j % 2 ? seed : (uint64_t)block + (seed & 0xffffff);
        }
        keep_at(i, block);
    }
    uint64_t *volatile behind = (uint64_t *)kept[1000] + 64;
    memset(behind, 0xfe, 24);
}

static atomic_int started;

static void *with_own(void *unused) {
    (void)unused;
    for (int i = 0; i < 64; i++) own[i] = malloc(48);
    scrub();
    atomic_fetch_add(&started, 1);
    for (;;) pause();
    return NULL;
}

struct churn { long count; unsigned seed; int unwritten; };

// Loses its share among allocations that are freed again, then goes on with those.
static void *churn(void *given) {
    struct churn *self = given;
    void *live[256] = {0};
    for (long i = 0;; i++) {
        unsigned at = rand_r(&self->seed) % 256;
        free(live[at]);
        unsigned bytes = 16 + rand_r(&self->seed) % 1000;
        live[at] = memset(malloc(bytes), 1, self->unwritten ? 1 : bytes);
        if (i % 20 == 0 && i / 20 < self->count) memset(malloc(77), 0, 77);
        if (i == 20 * self->count) atomic_fetch_add(&started, 1);
    }
    return NULL;
}

static void *lose_and_end(void *given) {
    lose_chains(*(long *)given);
    return NULL;
}

static void threads(void *(*body)(void *), long count, int unwritten) {
    static struct churn churns[THREADS];
    for (int i = 0; i < THREADS; i++) {
        churns[i] = (struct churn){count / THREADS, i + 1, unwritten};
        pthread_t thread;
        pthread_create(&thread, NULL, body, &churns[i]);
        pthread_detach(thread);
    }
    while (atomic_load(&started) < THREADS) usleep(1000);
}

static __attribute__((noinline)) uint64_t masked(void) {
    return (uint64_t)memset(malloc(4000), 7, 4000) ^ MASK;
}

static void ready(void) {
    scrub();
    printf("ready %ld %ld\n", lost, direct);
    fflush(stdout);
}

int main(int argc, char **argv) {
    const char *shape = argc > 1 ? argv[1] : "plain";
    long count = argc > 2 ? atol(argv[2]) : 20000;
    keep();
    if (!strcmp(shape, "plain")) lose(count);
    if (!strcmp(shape, "chain")) lose_chains(count);
    if (!strcmp(shape, "cycle")) lose_cycles(count);
    if (!strcmp(shape, "graph")) graph(count);
    if (!strcmp(shape, "inside")) keep_inside(count);
    if (!strcmp(shape, "last")) keep_by_last(count);
    if (!strcmp(shape, "shared")) keep_shared();
    if (!strcmp(shape, "mapped")) mapped(count);
    if (!strcmp(shape, "mappings")) mappings(count);
    if (!strcmp(shape, "garbage")) garbage();
    if (!strcmp(shape, "tls")) threads(with_own, count, 0);
    if (!strcmp(shape, "churn") || !strcmp(shape, "unwritten")) {
        threads(churn, count, *shape == 'u');
        lost = direct = count;
    }
    if (!strcmp(shape, "ended")) {
        for (int i = 0; i < 20; i++) {
            pthread_t thread;
            long share = count / 20;
            pthread_create(&thread, NULL, lose_and_end, &share);
            pthread_join(thread, NULL);
        }
    }
    if (!strcmp(shape, "register") || !strcmp(shape, "forgotten")) {
        int held = *shape == 'r';
        uint64_t mask = masked();
        lost = direct = !held;
        ready();
#ifdef __x86_64__
        register uint64_t r12 __asm__("r12") = held ? mask ^ MASK : mask;
        for (;;) __asm__ volatile("pause" : "+r"(r12));
#endif
    }
    ready();
    // Under a leak checker, which looks at the end.
    if (argc > 3) return 0;
    for (;;) pause();
}
