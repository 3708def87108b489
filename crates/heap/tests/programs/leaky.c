// Allocates and frees without end, and loses one block of every so many at one place.
//
//   leaky OPERATIONS_PER_S LOSE_ONE_IN [THREADS [SECONDS]]
//
// 0 operations a second: as many as go; without seconds: for ever. Says "ready" and, each quarter of a second, how many
// operations were made and how many blocks were lost up to then. With STRICT in its environment it asks
// to be killed if it makes a system call that is there for probes only.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <unistd.h>

#define HELD 512
#define BATCH 200

static long per_s, lose_one_in;
static atomic_long made, lost;
static void *volatile sink;

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec / 1e9;
}

__attribute__((noinline)) void the_place_that_leaks(unsigned seed) {
    sink = memset(malloc(72 + seed % 8), 1, 64);
    atomic_fetch_add(&lost, 1);
    sink = NULL;
}

__attribute__((noinline)) void *a_place_that_keeps(unsigned bytes) {
    return memset(malloc(bytes), 2, 16);
}

__attribute__((noinline)) void *another_place(void *old, unsigned bytes) {
    return bytes % 3 ? calloc(1, bytes) : realloc(old, bytes);
}

__attribute__((noinline)) void one_operation(void **held, unsigned *seed, long i) {
    unsigned at = rand_r(seed) % HELD, bytes = 32 + rand_r(seed) % 900;
    if (i % 2) {
        free(held[at]);
        held[at] = a_place_that_keeps(bytes);
    } else {
        void *old = held[at];
        held[at] = NULL;
        void *next = another_place(bytes % 3 ? NULL : old, bytes);
        if (bytes % 3) free(old);
        held[at] = next;
    }
    if (i % lose_one_in == 0) the_place_that_leaks(*seed);
}

static void *work(void *given) {
    unsigned seed = (unsigned)(size_t)given;
    void **held = calloc(HELD, sizeof *held);
    double begun = now();
    for (long i = 1;; i++) {
        one_operation(held, &seed, i);
        if (i % BATCH) continue;
        atomic_fetch_add(&made, BATCH);
        double ahead = per_s ? begun + (double)i / per_s - now() : 0;
        if (ahead > 0) usleep(ahead * 1e6);
        // What could not be kept up with is not made up for.
        if (ahead < -0.1) begun = now() - (double)i / per_s;
    }
    return NULL;
}

static void be_strict(void) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 335, 1, 0),  // uretprobe
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 336, 0, 1),  // uprobe
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int main(int argc, char **argv) {
    if (getenv("STRICT")) be_strict();
    per_s = argc > 1 ? atol(argv[1]) : 200000;
    lose_one_in = argc > 2 ? atol(argv[2]) : 200;
    long threads = argc > 3 ? atol(argv[3]) : 1;
    per_s /= threads;
    for (long i = 0; i < threads; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, work, (void *)(size_t)(i + 1));
    }
    double end = argc > 4 ? now() + atof(argv[4]) : 1e300;
    printf("ready\n");
    while (now() < end) {
        printf("%.3f %ld %ld\n", now(), atomic_load(&made), atomic_load(&lost));
        fflush(stdout);
        usleep(250000);
    }
    exit(0);
}
