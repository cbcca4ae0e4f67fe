/* Arm's MPS2 board with the Cortex-M4 image AN386, as QEMU's machine mps2-an386 has it: UART 0, SysTick, start-up.

   Another board needs its own copy of this file and of memory.ld: vectors, a UART with an interrupt, and a clock. */
#include "board.h"

#include <string.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))

/* CMSDK APB UART, Arm DDI 0479. */
#define UART_DATA REGISTER(0x40004000u)
#define UART_STATE REGISTER(0x40004004u)
#define UART_CTRL REGISTER(0x40004008u)
#define UART_INTCLEAR REGISTER(0x4000400Cu)
#define UART_BAUDDIV REGISTER(0x40004010u)
enum { STATE_TX_FULL = 1, STATE_RX_FULL = 2, CTRL_TX = 1, CTRL_RX = 2, CTRL_RX_INTERRUPT = 8, INT_RX = 2 };

/* Of every Cortex-M, Arm DDI 0403. */
#define SYSTICK_CTRL REGISTER(0xE000E010u)
#define SYSTICK_RELOAD REGISTER(0xE000E014u)
#define SYSTICK_NOW REGISTER(0xE000E018u)
#define NVIC_ENABLE REGISTER(0xE000E100u)
#define CPACR REGISTER(0xE000ED88u)
enum { SYSTICK_ON = 7, SYSTICK_BITS = 24, SYSTICK_TOP = (1 << SYSTICK_BITS) - 1 };

enum { CLOCK_NS = 40, UART_DIVIDER = 217 }; /* 25 MHz, 115 200 baud */

/* What the interrupt has read and the program not yet. Its size is a power of two. */
enum { RING_BYTES = 4096 };
static volatile uint8_t ring[RING_BYTES];
static volatile uint32_t head, tail;

/* The interrupt is cleared before the data is read: a byte that comes in between would never be told otherwise. A byte
   that finds the ring full stays in the UART until there is room. */
static void drain(void)
{
    UART_INTCLEAR = INT_RX;
    while ((UART_STATE & STATE_RX_FULL) && head - tail < RING_BYTES) {
        ring[head % RING_BYTES] = (uint8_t)UART_DATA;
        head++;
    }
}

uint8_t board_read(void)
{
    /* Interrupts are off between the look and the sleep, so that none slips through; a pending one ends the sleep. */
    __asm volatile("cpsid i" ::: "memory");
    drain();
    while (head == tail)
        __asm volatile("wfi\n cpsie i\n isb\n cpsid i" ::: "memory");
    uint8_t byte = ring[tail % RING_BYTES];
    tail++;
    __asm volatile("cpsie i" ::: "memory");
    return byte;
}

void board_write(const uint8_t *bytes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        while (UART_STATE & STATE_TX_FULL) {
        }
        UART_DATA = bytes[i];
    }
}

/* SysTick counts 24 bits down; its interrupt counts how often it began anew. */
static volatile uint32_t laps;
static uint64_t before; /* ticks before the last board_settle */

static uint64_t elapsed(void)
{
    uint32_t lap, now;
    do {
        lap = laps;
        now = SYSTICK_NOW;
    } while (lap != laps);
    return ((uint64_t)lap << SYSTICK_BITS) + ((0u - now) & SYSTICK_TOP);
}

uint64_t board_ns(void)
{
    return (before + elapsed()) * CLOCK_NS;
}

/* From here SysTick interrupts for the first time after 0.67 s, so that what is timed does not run its handler too. */
void board_settle(void)
{
    before += elapsed();
    SYSTICK_NOW = 0;
    laps = 0;
}

void board_start(void)
{
    UART_BAUDDIV = UART_DIVIDER;
    UART_CTRL = CTRL_TX | CTRL_RX | CTRL_RX_INTERRUPT;
    SYSTICK_RELOAD = SYSTICK_TOP;
    SYSTICK_NOW = 0;
    SYSTICK_CTRL = SYSTICK_ON;
    NVIC_ENABLE = 1; /* interrupt 0: UART 0 has received */
    __asm volatile("cpsie i" ::: "memory");
}

static void count_lap(void)
{
    laps++;
}

static void hang(void)
{
    for (;;) {
    }
}

/* Start-up: memory as C expects it, then main. The names are memory.ld's. */
extern uint32_t data_from[], data_start[], data_end[], bss_start[], bss_end[], stack_top[];
int main(void);

static void start(void)
{
#ifdef __ARM_FP
    CPACR |= 0xFu << 20; /* the FPU, off after a reset, where the firmware is built for it */
    __asm volatile("dsb\n isb" ::: "memory");
#endif
    memcpy(data_start, data_from, (size_t)((uint8_t *)data_end - (uint8_t *)data_start));
    memset(bss_start, 0, (size_t)((uint8_t *)bss_end - (uint8_t *)bss_start));
    main();
    hang();
}

typedef void (*handler)(void);
static const struct {
    void *stack;
    handler handlers[16];
} vectors __attribute__((section(".vectors"), used)) = {
    stack_top,
    {start, hang, hang, hang, hang, hang, 0, 0, 0, 0, hang, hang, 0, hang, count_lap, drain},
};
