/* Leaks through malloc, whichever allocator stands behind it, until the kernel ends it.
 *
 *     leak SHAPE KIB_PER_S QUIET_S PERIOD_S BLOCK_BYTES
 *
 * SHAPE is linear, stair (all of a period's loss at its end) or sawtooth (beside the loss it takes
 * three times as much in each period and frees that at its end, so that the floor rises).
 * BLOCK_BYTES decides where glibc takes a block from: below 128 KiB the heap, above a mapping.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void *block(size_t bytes) {
    void *taken = malloc(bytes);
    if (taken == NULL)
        exit(1);
    return memset(taken, 0x5a, bytes);
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fputs("leak SHAPE KIB_PER_S QUIET_S PERIOD_S BLOCK_BYTES\n", stderr);
        return 2;
    }
    int stair = strcmp(argv[1], "stair") == 0, sawtooth = strcmp(argv[1], "sawtooth") == 0;
    double rate = atof(argv[2]) * 1024, quiet = atof(argv[3]), period = atof(argv[4]);
    size_t bytes = strtoul(argv[5], NULL, 10);

    size_t held_max = (size_t)(3 * rate * period / (double)bytes) + 1, held = 0;
    void **tooth = calloc(held_max, sizeof *tooth);
    double lost = 0, onset = now() + quiet;
    for (;; usleep(50000)) {
        double age = fmax(now() - onset, 0), phase = fmod(age, period);
        for (; lost < rate * (stair ? age - phase : age); lost += (double)bytes)
            block(bytes); /* nobody keeps its address: this is the leak */
        size_t wanted = sawtooth ? (size_t)((double)held_max * phase / period) : 0;
        if (wanted < held)
            while (held > 0)
                free(tooth[--held]);
        while (held < wanted)
            tooth[held++] = block(bytes);
    }
}
