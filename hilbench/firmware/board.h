/* What main.c needs of a board: bytes in, bytes out, a clock. A file board_NAME.c each. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

void board_start(void);
uint8_t board_read(void); /* waits, asleep, until a byte has come */
void board_write(const uint8_t *bytes, uint32_t n);
uint64_t board_ns(void);  /* since board_start; never goes back */
void board_settle(void);  /* makes the next stretch of time free of the clock's own interrupts, where it can */

#endif
