/* A board for this machine: standard input and output are the serial line, the clock counts how often it is read. */
#include "board.h"

#include <stdio.h>
#include <stdlib.h>

void board_start(void)
{
}

uint8_t board_read(void)
{
    int byte;
    fflush(stdout);
    byte = getchar();
    if (byte == EOF)
        exit(0);
    return (uint8_t)byte;
}

void board_write(const uint8_t *bytes, uint32_t n)
{
    fwrite(bytes, 1, n, stdout);
}

uint64_t board_ns(void)
{
    static uint64_t ns;
    return ns += 1000;
}

void board_settle(void)
{
}
