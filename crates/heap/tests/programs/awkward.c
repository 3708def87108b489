// Programs that are awkward to stop: says "ready 0 0", then
//
//   births    starts threads that end at once, without end
//   seccomp   runs where the kernel allows no call but read, write and exit
//   vfork     waits for a child in vfork
//   signals   sends itself 20,000 real-time signals and says "counted N" of those it took
#define _GNU_SOURCE
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define SIGNALS 20000

static atomic_long taken;

static void take(int number) {
    (void)number;
    atomic_fetch_add(&taken, 1);
}

static void *nothing(void *unused) { return unused; }

static void *wait_for_ever(void *unused) {
    for (;;) pause();
    return unused;
}

static void *send(void *to) {
    for (int i = 0; i < SIGNALS; i++) {
        pthread_kill(*(pthread_t *)to, SIGRTMIN);
        while (i - atomic_load(&taken) > 4) {}
    }
    return NULL;
}

static void ready(void) {
    puts("ready 0 0");
    fflush(stdout);
}

int main(int argc, char **argv) {
    const char *shape = argc > 1 ? argv[1] : "";
    pthread_t thread, self = pthread_self();
    void *volatile block = malloc(100);
    (void)block;
    if (!strcmp(shape, "births")) {
        ready();
        for (;;) {
            pthread_create(&thread, NULL, nothing, NULL);
            pthread_detach(thread);
        }
    }
    if (!strcmp(shape, "seccomp")) {
        ready();
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
        for (;;) {}
    }
    if (!strcmp(shape, "vfork")) {
        pthread_create(&thread, NULL, wait_for_ever, NULL);
        ready();
        if (!vfork()) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            sleep(60);
            _exit(0);
        }
    }
    if (!strcmp(shape, "signals")) {
        signal(SIGRTMIN, take);
        ready();
        pthread_create(&thread, NULL, send, &self);
        pthread_join(thread, NULL);
        printf("counted %ld\n", atomic_load(&taken));
        fflush(stdout);
    }
    for (;;) pause();
}
