#include "wire.h"

#include <string.h>

enum { VERSION = 1, LEARNING = 1, CAN_ECHO = 8, KINDS = 13, CATCH_UP_MAX = 10000 };
enum { HELLO = 1, RESET = 2, TICK = 3, REPLY = 4, ERROR = 7, BYE = 8, ECHO = 13 };
enum { E_FRAME = 1, E_VERSION, E_KIND, E_SESSION, E_COUNT, E_RANGE, E_BODY, E_STATE, E_BUSY, E_UNSUPPORTED };

static const uint64_t NO_SEQ = UINT64_MAX;
static const uint64_t NOT_A_NUMBER = 0x7FF8000000000000u; /* energy_j of a device without a meter */

struct header {
    uint8_t kind;
    uint16_t session, flags, n_values, n_modulators;
    uint64_t seq, t_ns;
    uint32_t n_events;
};

/* Why a frame is refused; code 0 when it is not. */
struct fault {
    uint16_t code;
    const char *text;
};

static const struct fault fine = {0, NULL};

/* Numbers in and out. */

static uint16_t u16_at(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static uint64_t u64_at(const uint8_t *at)
{
    return wire_u32(at) | (uint64_t)wire_u32(at + 4) << 32;
}

float wire_f32(const uint8_t *at)
{
    uint32_t bits = wire_u32(at);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

uint16_t wire_crc(uint16_t crc, uint8_t byte)
{
    crc ^= (uint16_t)(byte << 8);
    for (int bit = 0; bit < 8; bit++)
        crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
    return crc;
}

/* Going out: bytes are gathered into COBS blocks, each sent as soon as it is known how long it is. */

static void flush(struct wire_device *d)
{
    d->block[0] = (uint8_t)(d->n_block + 1);
    d->was_full = d->n_block == 254;
    d->send(d->user, d->block, d->n_block + 1u);
    d->n_block = 0;
}

static void stuff(struct wire_device *d, uint8_t byte)
{
    if (byte != 0)
        d->block[++d->n_block] = byte;
    if (byte == 0 || d->n_block == 254)
        flush(d);
}

static void put(struct wire_device *d, uint64_t number, int n_bytes)
{
    for (; n_bytes > 0; n_bytes--, number >>= 8) {
        d->crc = wire_crc(d->crc, (uint8_t)number);
        stuff(d, (uint8_t)number);
    }
}

static void put_bytes(struct wire_device *d, const void *bytes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        put(d, ((const uint8_t *)bytes)[i], 1);
}

static void put_events(struct wire_device *d, const struct wire_event *events, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        put(d, events[i].t_us, 4);
        put(d, events[i].address, 4);
    }
}

static void put_header(struct wire_device *d, int kind, uint64_t seq, uint64_t t_ns, uint32_t n_events,
                       uint32_t n_values)
{
    d->crc = 0xFFFF;
    d->n_block = d->was_full = 0;
    put_bytes(d, "HB", 2);
    put(d, VERSION, 1);
    put(d, (uint64_t)kind, 1);
    put(d, d->open ? d->session : 0, 2);
    put(d, 0, 2);
    put(d, seq, 8);
    put(d, t_ns, 8);
    put(d, n_events, 4);
    put(d, n_values, 2);
    put(d, 0, 2);
}

static void put_end(struct wire_device *d)
{
    static const uint8_t end = 0;
    uint16_t crc = d->crc;
    stuff(d, (uint8_t)crc);
    stuff(d, (uint8_t)(crc >> 8));
    if (d->n_block > 0 || !d->was_full) /* a full last block is the end without another one */
        flush(d);
    d->send(d->user, &end, 1);
}

static void refuse(struct wire_device *d, uint64_t seq, struct fault fault)
{
    put_header(d, ERROR, seq, 0, 0, 0);
    put(d, fault.code, 2);
    put_bytes(d, fault.text, (uint32_t)strlen(fault.text));
    put_end(d);
}

/* Frames that have arrived whole. Each check comes before anything is taken from what it checks. */

static struct fault read_header(const uint8_t *frame, uint32_t length, struct header *h)
{
    if (length < WIRE_HEADER_BYTES)
        return (struct fault){E_FRAME, "the frame is shorter than a header of 32 bytes"};
    if (frame[0] != 'H' || frame[1] != 'B')
        return (struct fault){E_FRAME, "the frame does not start with 'HB'"};
    if (frame[2] != VERSION)
        return (struct fault){E_VERSION, "another protocol version; allowed: 1"};
    if (frame[3] < 1 || frame[3] > KINDS)
        return (struct fault){E_KIND, "no such kind; allowed: 1 to 13"};
    h->kind = frame[3];
    h->session = u16_at(frame + 4);
    h->flags = u16_at(frame + 6);
    h->seq = u64_at(frame + 8);
    h->t_ns = u64_at(frame + 16);
    h->n_events = wire_u32(frame + 24);
    h->n_values = u16_at(frame + 28);
    h->n_modulators = u16_at(frame + 30);
    return fine;
}

static int any(const uint8_t *bytes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (bytes[i] != 0)
            return 1;
    return 0;
}

/* Of a kind that has none of what a TICK has. */
static struct fault check_zeros(const struct header *h)
{
    if (h->flags || h->t_ns || h->n_events || h->n_values || h->n_modulators)
        return (struct fault){E_RANGE, "flags, t_ns or a count is set; allowed: 0 in all but TICK"};
    return fine;
}

static struct fault meet(struct wire_device *d, const struct header *h, const uint8_t *body, uint32_t n_body)
{
    if (n_body != WIRE_HELLO_BYTES)
        return (struct fault){E_FRAME, "a HELLO has a body of 64 bytes"};
    if (h->session || any(body, 4) || any(body + 20, WIRE_HELLO_BYTES - 20))
        return (struct fault){E_RANGE, "a plant's HELLO has more than a boot id; allowed: 0 elsewhere"};
    uint16_t next = d->session == UINT16_MAX ? 1 : (uint16_t)(d->session + 1);
    if (d->admit != NULL && (next = d->admit(d->user)) == 0)
        return (struct fault){E_BUSY, "the device serves another plant; try again when that one has gone"};
    d->session = next;
    d->open = 1;
    d->started = 0;
    put_header(d, HELLO, h->seq, 0, 0, 0);
    put(d, CAN_ECHO, 4);
    put_bytes(d, d->boot_id, sizeof d->boot_id);
    put_bytes(d, d->program_hash, sizeof d->program_hash);
    put(d, d->sizes.period_us, 4);
    put(d, d->sizes.n_values_in, 4);
    put(d, d->sizes.n_addresses_in, 4);
    put(d, d->sizes.n_modulators, 4);
    put(d, d->sizes.n_values_out, 4);
    put(d, d->sizes.n_addresses_out, 4);
    put(d, 0, 4);
    put_end(d);
    return fine;
}

static struct fault reset(struct wire_device *d, const struct header *h, const uint8_t *body, uint32_t n_body)
{
    if (n_body != WIRE_RESET_BYTES)
        return (struct fault){E_FRAME, "a RESET has a body of 16 bytes"};
    uint32_t catch_up = wire_u32(body + 8);
    if (body[12] > WIRE_CARRY_ALL)
        return (struct fault){E_RANGE, "carry is out of range; allowed: 0 to 2"};
    if (any(body + 13, 3))
        return (struct fault){E_RANGE, "the last 3 bytes of a RESET are not 0"};
    if (catch_up > CATCH_UP_MAX)
        return (struct fault){E_RANGE, "catch_up is out of range; allowed: 0 to 10000"};
    d->reset(d->user, u64_at(body), body[12]);
    d->next_seq = 0;
    d->prev_seq = NO_SEQ;
    d->catch_up = catch_up;
    d->started = 1;
    d->dropped = 0;
    put_header(d, RESET, h->seq, 0, 0, 0);
    put_end(d);
    return fine;
}

static struct fault check_events(const struct wire_device *d, const uint8_t *events, uint32_t n)
{
    uint32_t last_us = 0;
    for (uint32_t i = 0; i < n; i++, events += WIRE_EVENT_BYTES) {
        uint32_t t_us = wire_u32(events);
        if (t_us >= d->sizes.period_us)
            return (struct fault){E_RANGE, "an event's t_us is not below the period"};
        if (wire_u32(events + 4) >= d->sizes.n_addresses_in)
            return (struct fault){E_RANGE, "an event's address is not below the number of addresses"};
        if (t_us < last_us)
            return (struct fault){E_RANGE, "events are not in the order of t_us"};
        last_us = t_us;
    }
    return fine;
}

static struct fault check_tick(const struct wire_device *d, const struct header *h, const uint8_t *body,
                               uint32_t n_body)
{
    if (h->n_values != d->sizes.n_values_in || h->n_modulators != d->sizes.n_modulators)
        return (struct fault){E_COUNT, "values or modulators are not as many as HELLO says"};
    if (h->flags & ~LEARNING)
        return (struct fault){E_RANGE, "a flag is set that does not exist; allowed: bit 0"};
    if (h->seq == NO_SEQ)
        return (struct fault){E_RANGE, "seq is 2^64 - 1; allowed: less"};
    if (n_body != (uint64_t)h->n_events * WIRE_EVENT_BYTES + 4u * h->n_values + 4u * h->n_modulators)
        return (struct fault){E_FRAME, "the frame is not as long as its counts need"};
    struct fault fault = check_events(d, body, h->n_events);
    if (fault.code)
        return fault;
    if (!d->started)
        return (struct fault){E_STATE, "TICK before an episode has started; RESET first"};
    return fine;
}

static void put_reply(struct wire_device *d, const struct header *h, const struct wire_reply *reply, uint64_t recv_ns)
{
    put_header(d, REPLY, h->seq, h->t_ns, reply->n_events, d->sizes.n_values_out);
    put(d, recv_ns, 8);
    put(d, reply->compute_ns, 8);
    put(d, d->prev_seq, 8);
    put(d, reply->n_probe_events, 4);
    put(d, 0, 4);
    for (int i = 0; i < 5; i++)
        put(d, reply->counters[i], 8);
    put(d, NOT_A_NUMBER, 8);
    put_events(d, reply->events, reply->n_events);
    for (uint32_t i = 0; i < d->sizes.n_values_out; i++) {
        uint32_t bits;
        memcpy(&bits, &reply->values[i], sizeof bits);
        put(d, bits, 4);
    }
    put_events(d, reply->probe_events, reply->n_probe_events);
    put_end(d);
}

static struct fault run_tick(struct wire_device *d, const struct header *h, const uint8_t *body, uint32_t n_body)
{
    uint64_t recv_ns = d->now_ns(d->user);
    struct fault fault = check_tick(d, h, body, n_body);
    if (fault.code)
        return fault;
    if (h->seq < d->next_seq) { /* an old one, or one that has come twice: no answer */
        d->dropped++;
        return fine;
    }
    const uint8_t *values = body + (size_t)h->n_events * WIRE_EVENT_BYTES;
    struct wire_tick tick = {
        .seq = h->seq, .t_ns = h->t_ns, .learning = h->flags & LEARNING, .n_events = h->n_events,
        .events = body, .values = values, .modulators = values + 4u * h->n_values,
    };
    struct wire_reply reply = {0};
    uint64_t start_ns = d->now_ns(d->user), gap = h->seq - d->next_seq;
    for (uint64_t left = gap < d->catch_up ? gap : d->catch_up; left > 0; left--)
        d->advance(d->user);
    d->tick(d->user, &tick, &reply);
    if (reply.compute_ns == 0)
        reply.compute_ns = d->now_ns(d->user) - start_ns;
    put_reply(d, h, &reply, recv_ns);
    d->prev_seq = h->seq;
    d->next_seq = h->seq + 1;
    return fine;
}

static struct fault echo(struct wire_device *d, const uint8_t *frame, uint32_t length)
{
    if (length > WIRE_HEADER_BYTES + WIRE_ECHO_BYTES)
        return (struct fault){E_FRAME, "an ECHO has a body of at most 65536 bytes"};
    d->crc = 0xFFFF;
    d->n_block = d->was_full = 0;
    put_bytes(d, frame, length);
    put_end(d);
    return fine;
}

static struct fault leave(struct wire_device *d, const struct header *h)
{
    if (d->leave != NULL)
        d->leave(d->user);
    d->started = 0;
    put_header(d, BYE, h->seq, 0, 0, 0);
    put_end(d);
    d->open = 0;
    return fine;
}

static struct fault handle(struct wire_device *d, const struct header *h, const uint8_t *frame, uint32_t length)
{
    const uint8_t *body = frame + WIRE_HEADER_BYTES;
    uint32_t n_body = length - WIRE_HEADER_BYTES;
    struct fault fault = h->kind == TICK ? fine : check_zeros(h);
    if (h->kind == HELLO)
        return fault.code ? fault : meet(d, h, body, n_body);
    if (h->kind != RESET && h->kind != TICK && h->kind != BYE && h->kind != ECHO)
        return (struct fault){E_UNSUPPORTED, "this device has its program built in and does not take that kind"};
    if (!d->open || h->session != d->session)
        return (struct fault){E_SESSION, "that session is not open; say HELLO first"};
    if (fault.code)
        return fault;
    d->heard++;
    if (h->kind == RESET)
        return reset(d, h, body, n_body);
    if (h->kind == TICK)
        return run_tick(d, h, body, n_body);
    return h->kind == ECHO ? echo(d, frame, length) : leave(d, h);
}

static int damaged(const struct wire_device *d)
{
    uint16_t crc = 0xFFFF;
    if (d->left > 0 || d->length < WIRE_CRC_BYTES)
        return 1;
    for (uint32_t i = 0; i < d->length - WIRE_CRC_BYTES; i++)
        crc = wire_crc(crc, d->room[i]);
    return u16_at(d->room + d->length - WIRE_CRC_BYTES) != crc;
}

static void take_frame(struct wire_device *d)
{
    struct header h;
    if (d->too_long) {
        refuse(d, NO_SEQ, (struct fault){E_FRAME, "the frame is longer than this device has room for"});
        return;
    }
    if (damaged(d)) {
        d->damaged++;
        return;
    }
    uint32_t length = d->length - WIRE_CRC_BYTES;
    struct fault fault = read_header(d->room, length, &h);
    if (fault.code) {
        refuse(d, NO_SEQ, fault);
        return;
    }
    fault = handle(d, &h, d->room, length);
    if (fault.code)
        refuse(d, h.seq, fault);
}

/* Coming in: COBS is undone byte by byte, so that a frame needs its room once. */

static void keep(struct wire_device *d, uint8_t byte)
{
    if (d->length < d->room_bytes)
        d->room[d->length++] = byte;
    else
        d->too_long = 1;
}

void wire_receive(struct wire_device *d, uint8_t byte)
{
    if (byte == 0) {
        if (d->begun)
            take_frame(d);
        d->length = 0;
        d->left = d->begun = d->full = d->too_long = 0;
        return;
    }
    if (d->left > 0) {
        keep(d, byte);
        d->left--;
        return;
    }
    if (d->begun && !d->full)
        keep(d, 0);
    d->begun = 1;
    d->left = (uint8_t)(byte - 1);
    d->full = byte == 255;
}

void wire_start(struct wire_device *d)
{
    d->length = 0;
    d->left = d->begun = d->full = d->too_long = d->open = d->started = 0;
    d->session = 0;
    d->damaged = d->dropped = d->heard = 0;
    d->n_block = d->was_full = 0;
}

void wire_end(struct wire_device *d)
{
    if (!d->open)
        return;
    put_header(d, BYE, 0, 0, 0, 0);
    put_end(d);
    d->open = 0;
}
