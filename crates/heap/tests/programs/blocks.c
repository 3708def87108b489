/* Takes and frees blocks in a known way, says what malloc itself counts, and waits.
 *
 *     blocks SHAPE COUNT [THREADS]
 *
 * SHAPE: mixed (many sizes, some freed), holes (most of many pages freed), mapped (large blocks,
 * some aligned), foreign (others call sbrk between), blocked (brk fails, the heap goes on
 * elsewhere), threads (each its own arena; they wait), churn (the same, and they never stop), exited
 * (threads that ended and left what they took).
 * Answers each line on its input: "trim" trims, anything else only counts again. An answer is
 *     in_use free mapped mapped_count rss_kib anonymous_kib
 * Nothing here allocates between counting and answering. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct counts {
    size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost;
};
#ifdef STATIC
static struct counts count(void) {
    struct mallinfo2 m = mallinfo2();
    return *(struct counts *)&m;
}
#else
static struct counts (*newer)(void);
static struct mallinfo (*older)(void);
static struct counts count(void) {
    if (newer)
        return newer();
    struct mallinfo m = older();
    return (struct counts){.hblks = m.hblks, .hblkhd = (unsigned)m.hblkhd,
                           .uordblks = (unsigned)m.uordblks, .fordblks = (unsigned)m.fordblks};
}
#endif

static void resident_kib(long *rss, long *anonymous) {
    static char text[4096];
    int fd = open("/proc/self/smaps_rollup", O_RDONLY);
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n < 0 ? 0 : n] = 0;
    char *at = strstr(text, "Rss:"), *anon = strstr(text, "Anonymous:");
    *rss = at ? strtol(at + 4, NULL, 10) : -1;
    *anonymous = anon ? strtol(anon + 10, NULL, 10) : -1;
}

static void answer(void) {
    static char line[256];
    struct counts c = count();
    long rss, anonymous;
    resident_kib(&rss, &anonymous);
    int n = snprintf(line, sizeof line, "%zu %zu %zu %zu %ld %ld\n", c.uordblks, c.fordblks,
                     c.hblkhd, c.hblks, rss, anonymous);
    if (write(1, line, (size_t)n) != n)
        exit(1);
}

static void *block(size_t bytes) {
    void *taken = malloc(bytes);
    if (!taken)
        exit(1);
    return memset(taken, 0x5a, bytes);
}

static uint32_t next(uint32_t *seed) { return *seed = *seed * 1664525u + 1013904223u; }

static void mixed(size_t count, uint32_t seed) {
    void **held = calloc(count, sizeof *held);
    for (size_t i = 0; i < count; i++) {
        uint32_t r = next(&seed);
        held[i] = block(r % 8 ? (r >> 8) % 600 + 1 : (r >> 8) % 20000 + 1);
    }
    for (size_t i = 0; i < count; i++)
        if (next(&seed) >> 16 & 1) {
            free(held[i]);
            held[i] = NULL;
        }
    for (size_t i = 0; i < count; i += 7)
        if (!held[i])
            held[i] = block(next(&seed) % 3000 + 1);
}

static void holes(size_t count) {
    void **held = calloc(count, sizeof *held);
    for (size_t i = 0; i < count; i++)
        held[i] = block(3000 + i % 7 * 1000);
    for (size_t i = 0; i < count; i++)
        if (i % 16)
            free(held[i]);
}

static void mapped(size_t count) {
    void **held = calloc(count, sizeof *held);
    for (size_t i = 0; i < count; i++)
        held[i] = i % 5 ? block(200000 + i * 4096) : memalign(i % 2 ? 64 : 65536, 300000);
    for (size_t i = 0; i < count; i += 3)
        free(held[i]);
}

/* Somebody else takes memory from sbrk between our blocks. */
static void foreign(size_t count) {
    for (int i = 0; i < 4; i++) {
        mixed(count / 4, (uint32_t)i + 1);
        if (sbrk(5000 + i * 1000) == (void *)-1)
            exit(1);
    }
}

/* Something lies in the way of brk, so that malloc goes on in mappings. */
static void blocked(size_t count) {
    mixed(count / 8, 1);
    uintptr_t wall = ((uintptr_t)sbrk(0) + (1 << 20)) & ~(uintptr_t)4095;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    if (mmap((void *)wall, 4096, PROT_NONE, flags, -1, 0) == MAP_FAILED)
        exit(1);
    mixed(count - count / 8, 2);
}

static size_t share;
static int churning, leaving;
static pthread_barrier_t ready;
static void *thread(void *number) {
    uint32_t seed = (uint32_t)(uintptr_t)number + 1;
    mixed(share, seed);
    if (leaving)
        return NULL;
    pthread_barrier_wait(&ready);
    static __thread void *held[1024];
    while (churning) {
        uint32_t r = next(&seed);
        size_t slot = r >> 22;
        free(held[slot]);
        held[slot] = block((r >> 8) % 3000 + 1);
    }
    for (;;)
        pause();
    return NULL;
}

static void threads(int number) {
    pthread_t ids[64];
    pthread_barrier_init(&ready, NULL, (unsigned)number + 1);
    for (int i = 0; i < number; i++)
        pthread_create(&ids[i], NULL, thread, (void *)(uintptr_t)i);
    if (leaving) {
        for (int i = 0; i < number; i++)
            pthread_join(ids[i], NULL);
        return;
    }
    pthread_barrier_wait(&ready);
}

int main(int argc, char **argv) {
    if (argc < 3)
        return 2;
#ifndef STATIC
    *(void **)&newer = dlsym(RTLD_DEFAULT, "mallinfo2");
    *(void **)&older = dlsym(RTLD_DEFAULT, "mallinfo");
#endif
    size_t blocks = strtoul(argv[2], NULL, 10);
    int number = argc > 3 ? atoi(argv[3]) : 4;
    share = blocks / (size_t)number;
    if (!strcmp(argv[1], "mixed"))
        mixed(blocks, 1);
    else if (!strcmp(argv[1], "holes"))
        holes(blocks);
    else if (!strcmp(argv[1], "mapped"))
        mapped(blocks);
    else if (!strcmp(argv[1], "foreign"))
        foreign(blocks);
    else if (!strcmp(argv[1], "blocked"))
        blocked(blocks);
    else {
        churning = !strcmp(argv[1], "churn");
        leaving = !strcmp(argv[1], "exited");
        threads(number);
    }
    static char line[64];
    answer();
    while (read(0, line, sizeof line) > 0) {
        if (!strncmp(line, "trim", 4))
            malloc_trim(0);
        answer();
    }
    return 0;
}
