/* A fixed device of docs/protocol.md: a network that was built in, driven over the board's serial line. */
#include "board.h"
#include "network.h"
#include "pes.h"

static void send(void *user, const uint8_t *bytes, uint32_t n)
{
    (void)user;
    board_write(bytes, n);
}

static uint64_t now_ns(void *user)
{
    (void)user;
    return board_ns();
}

static void reset(void *user, uint64_t seed, int carry)
{
    (void)user;
    (void)seed; /* nothing here is random */
    network_reset(carry == WIRE_CARRY_ALL);
    pes_reset(carry);
}

/* Periods without a tick are part of the next tick's time. */
static uint64_t advanced_ns;

static void advance(void *user)
{
    (void)user;
    board_settle();
    uint64_t start_ns = board_ns();
    network_run(0, 0);
    advanced_ns += board_ns() - start_ns;
}

static void tick(void *user, const struct wire_tick *tick, struct wire_reply *reply)
{
    (void)user;
    board_settle();
    uint64_t start_ns = board_ns();
    network_run(tick, reply);
    reply->compute_ns = advanced_ns + board_ns() - start_ns;
    advanced_ns = 0;
}

int main(void)
{
    static struct wire_device device = {
        .room = frame_room, .send = send, .now_ns = now_ns, .reset = reset, .advance = advance, .tick = tick,
    };
    device.sizes = program.sizes;
    device.room_bytes = frame_room_bytes;
    for (int i = 0; i < 16; i++) {
        device.program_hash[i] = program.hash[i];
        device.boot_id[i] = (uint8_t)~program.hash[i]; /* no entropy here; it only has to be no other machine's */
    }
    network_reset(0);
    pes_reset(WIRE_CARRY_NOTHING);
    board_start();
    wire_start(&device);
    for (;;)
        wire_receive(&device, board_read());
}
