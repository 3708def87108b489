/* Keeps blocks of many sizes of whichever malloc it is started with, and says for each line on its
 * standard input what jemalloc says: allocated, active, retained, dirty, small and large bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int mallctl(const char *, void *, size_t *, void *, size_t) __attribute__((weak));

static size_t said(const char *name) {
    size_t value = 0, len = sizeof value;
    if (mallctl)
        mallctl(name, &value, &len, 0, 0);
    return value;
}

int main(void) {
    char line[64];
    for (size_t i = 0; i < 20000; i++) {
        char *block = malloc(i * 37 % 3000 + 8);
        memset(block, 1, 8);
        if (i % 3 == 0)
            free(block);
    }
    for (size_t i = 0; i < 40; i++) {
        char *block = malloc(20000 + i * 7000);
        memset(block, 1, 20000);
        if (i % 2)
            free(block);
    }
    while (fgets(line, sizeof line, stdin)) {
        unsigned long long epoch = 1;
        size_t len = sizeof epoch;
        if (mallctl)
            mallctl("epoch", &epoch, &len, &epoch, sizeof epoch);
        size_t page = said("arenas.page");
        printf("%zu %zu %zu %zu %zu %zu\n", said("stats.allocated"), said("stats.active"),
               said("stats.retained"), page * said("stats.arenas.4096.pdirty"),
               said("stats.arenas.4096.small.allocated"),
               said("stats.arenas.4096.large.allocated"));
        fflush(stdout);
    }
}
