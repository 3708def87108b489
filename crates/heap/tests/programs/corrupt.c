// Writes garbage over headers and links of its own heap, at places that SEED decides, says "ready 0 0"
// and waits. From then on it does not call malloc.
//
//   corrupt SEED
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCKS 4000
#define THREADS 3

static char *blocks[THREADS + 1][BLOCKS];
static pthread_barrier_t filled;

static uint64_t garbage(unsigned *seed) {
    uint64_t any = (uint64_t)rand_r(seed) << 32 ^ (uint64_t)rand_r(seed) << 11 ^ rand_r(seed);
    switch (rand_r(seed) % 7) {
    case 0: return 0;
    case 1: return UINT64_MAX;
    case 2: return UINT64_MAX - 7 - rand_r(seed) % 64;
    case 3: return any;
    case 4: return any & 0x7fffffffffff;
    case 5: return any & 0xffff0;
    default: return (uint64_t)blocks[0][any % BLOCKS] + any % 64;
    }
}

static void fill(char **own, unsigned seed) {
    for (int i = 0; i < BLOCKS; i++)
        own[i] = memset(malloc(16 + rand_r(&seed) % 600), 3, 16);
    for (int i = 0; i + 1 < BLOCKS; i += 3) {
        free(own[i]);
        own[i] = own[i + 1];
    }
}

static void *thread(void *own) {
    fill(own, 7);
    pthread_barrier_wait(&filled);
    for (;;)
        pause();
}

static void write_over(void *at, unsigned *seed) {
    uint64_t word = garbage(seed);
    memcpy(at, &word, sizeof word);
}

int main(int argc, char **argv) {
    unsigned seed = argc > 1 ? atoi(argv[1]) : 1;
    pthread_barrier_init(&filled, NULL, THREADS + 1);
    setvbuf(stdout, malloc(BUFSIZ), _IOLBF, BUFSIZ);
    fill(blocks[THREADS], seed);
    for (long i = 0; i < THREADS; i++) {
        pthread_t born;
        pthread_create(&born, NULL, thread, blocks[i]);
    }
    pthread_barrier_wait(&filled);
    for (int i = 0; i < 300; i++) {
        char *block = blocks[rand_r(&seed) % (THREADS + 1)][rand_r(&seed) % BLOCKS];
        // The header, or what stands first in it, where free blocks have links.
        write_over(block - 8 + rand_r(&seed) % 3 * 8, &seed);
    }
    for (int i = 0; i < THREADS; i++) {
        // What the arena's newest heap says of itself: size, the heap before, the arena.
        char *heap = (char *)((uint64_t)blocks[i][0] & ~0x3ffffffull);
        if (rand_r(&seed) % 2) write_over(heap + 8 * (rand_r(&seed) % 8), &seed);
        if (rand_r(&seed) % 2) write_over(heap + 16 + rand_r(&seed) % 0x900 / 8 * 8, &seed);
    }
    // The last block lies before the top.
    char *last = blocks[THREADS][BLOCKS - 1];
    if (rand_r(&seed) % 2) write_over(last + malloc_usable_size(last) / 16 * 16 + 8, &seed);
    printf("ready 0 0\n");
    for (;;)
        pause();
}
