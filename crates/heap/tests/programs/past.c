// Maps so many MiB in pieces of 256 KiB past malloc, writes to all of it, says "ready 0 0" and waits.
//
//   past MIB
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PIECE (256 << 10)

int main(int argc, char **argv) {
    long pieces = argc > 1 ? atol(argv[1]) * 4 : 0;
    for (long i = 0; i < pieces; i++) {
        char *piece = mmap(NULL, PIECE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (piece == MAP_FAILED)
            return 1;
        memset(piece, 1, PIECE);
    }
    printf("ready 0 0\n");
    fflush(stdout);
    for (;;)
        pause();
}
