/* The device's side of the wire protocol (docs/protocol.md) over a stream of bytes.

   Plain C99: it knows no board, no network and no socket. Bytes go in by wire_receive, one after the other; answers
   come out through `send`. A frame that breaks the protocol gets its ERROR and changes nothing; one whose bytes were
   damaged on the way (COBS or CRC wrong) is dropped. */
#ifndef WIRE_H
#define WIRE_H

#include <stddef.h>
#include <stdint.h>

enum {
    WIRE_HEADER_BYTES = 32,
    WIRE_HELLO_BYTES = 64,
    WIRE_RESET_BYTES = 16,
    WIRE_REPLY_BYTES = 80, /* the fixed part of a REPLY's body */
    WIRE_EVENT_BYTES = 8,
    WIRE_ECHO_BYTES = 65536, /* the longest body of an ECHO */
    WIRE_CRC_BYTES = 2,
    WIRE_ROOM_LEAST = WIRE_HEADER_BYTES + WIRE_HELLO_BYTES + WIRE_CRC_BYTES
};

/* What survives a RESET. */
enum { WIRE_CARRY_NOTHING, WIRE_CARRY_WEIGHTS, WIRE_CARRY_ALL };

/* What a TICK must hold and a REPLY will: the sizes that HELLO tells. */
struct wire_sizes {
    uint32_t period_us, n_values_in, n_addresses_in, n_modulators, n_values_out, n_addresses_out;
};

/* A TICK that has passed every check. Its arrays lie in the frame: read them with wire_u32 and wire_f32. */
struct wire_tick {
    uint64_t seq, t_ns;
    int learning;
    uint32_t n_events;
    const uint8_t *events;     /* n_events times t_us u32, address u32, in the order of t_us */
    const uint8_t *values;     /* n_values_in times f32 */
    const uint8_t *modulators; /* n_modulators times f32 */
};

struct wire_event {
    uint32_t t_us, address;
};

/* What a device answers to a TICK. All of it is zero before `tick` is called; what it points to must last until `send`
   has been called for the last time. */
struct wire_reply {
    uint64_t compute_ns; /* 0: wire.c takes the time around `tick` itself */
    uint64_t counters[5]; /* spikes, synaptic operations, neuron updates, weight updates, multiplications */
    uint32_t n_events, n_probe_events;
    const struct wire_event *events, *probe_events;
    const float *values; /* n_values_out of them */
};

struct wire_device {
    /* For the user to fill in before wire_start. */
    struct wire_sizes sizes;
    uint8_t boot_id[16], program_hash[16];
    uint8_t *room; /* for one frame and its CRC: WIRE_ROOM_LEAST bytes or more. A longer frame is refused. */
    uint32_t room_bytes;
    void *user; /* handed to every function below */
    void (*send)(void *user, const uint8_t *bytes, uint32_t n);
    uint64_t (*now_ns)(void *user); /* a clock that never goes back */
    void (*reset)(void *user, uint64_t seed, int carry);
    void (*advance)(void *user); /* one period without a tick: values held, no events, learning off */
    void (*tick)(void *user, const struct wire_tick *tick, struct wire_reply *reply);
    void (*leave)(void *user); /* the plant has said BYE: actuators to their safe state. May be NULL. */
    /* For a device that several plants can reach: the number of a new session, or 0 while another plant holds one. NULL
       for a line with one plant on it. */
    uint16_t (*admit)(void *user);

    /* wire.c's own. */
    uint32_t length;     /* bytes of the frame so far */
    uint8_t left;        /* bytes that are still to come of this COBS block */
    uint8_t begun, full; /* a frame has begun; its last block had 254 bytes, so that no zero follows it */
    uint8_t too_long, open, started;
    uint16_t session;
    uint32_t heard; /* frames of the open session */
    uint64_t next_seq, prev_seq; /* the lowest seq that is still to come; the tick that ran last */
    uint32_t catch_up;
    uint32_t damaged, dropped; /* frames with a wrong CRC, ticks not above the last one */
    uint8_t block[255];  /* what goes out: a COBS code and up to 254 bytes */
    uint8_t n_block, was_full;
    uint16_t crc;
};

void wire_start(struct wire_device *device);
void wire_receive(struct wire_device *device, uint8_t byte);

/* The device ends: BYE to the plant in session, if there is one. */
void wire_end(struct wire_device *device);

/* CRC-16/CCITT-FALSE: polynomial 0x1021, first 0xFFFF. `crc` is that of the bytes before this one. */
uint16_t wire_crc(uint16_t crc, uint8_t byte);

/* Little-endian numbers at any place. */
static inline uint32_t wire_u32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

float wire_f32(const uint8_t *at);

#endif
