#include "network.h"

#include <string.h>

#include "pes.h"

enum { ALIGN_BITS = 6, BIAS_MANTISSAS = 1 << 12, BIAS_EXPONENTS = 8, WRAP = 1 << 23, LIMIT = WRAP - 1 };

/* Loihi's arithmetic, after Lava 0.10 (hilbench/nal/loihi/equations.py). Right shifts of negative numbers round down,
   as every compiler that this is built with does it. */

static int32_t decayed(int32_t x, int32_t keep)
{
    uint32_t size = x < 0 ? 0u - (uint32_t)x : (uint32_t)x;
    int32_t kept = (int32_t)((uint64_t)size * (uint32_t)keep >> 12);
    return x < 0 ? -kept : kept;
}

/* u + (arriving << 6), held in 32 bits and turned round once at most. */
static int32_t wrapped(int32_t u, int32_t arriving)
{
    u = (int32_t)((uint32_t)u + ((uint32_t)arriving << ALIGN_BITS));
    if (u > WRAP)
        return u - 2 * WRAP;
    return u <= -WRAP ? u + 2 * WRAP : u;
}

static int32_t clipped(int32_t v)
{
    return v > LIMIT ? LIMIT : v < -LIMIT ? -LIMIT : v;
}

static int32_t shifted(int32_t x, int32_t exponent)
{
    return exponent >= 0 ? (int32_t)((uint32_t)x << exponent) : x >> -exponent;
}

/* A bias as 13 bits and an exponent hold it: the nearest, or the end of their range. */
static int32_t registered(int64_t bias)
{
    for (int exponent = 0; exponent < BIAS_EXPONENTS; exponent++) {
        int64_t mantissa = (bias + (1 << exponent >> 1)) >> exponent;
        if (mantissa >= -BIAS_MANTISSAS && mantissa < BIAS_MANTISSAS)
            return (int32_t)(mantissa * (1 << exponent));
    }
    return (bias < 0 ? -BIAS_MANTISSAS : BIAS_MANTISSAS - 1) * (1 << (BIAS_EXPONENTS - 1));
}

/* The nearest whole number, halves to the even one, within +-2^30. Adding 1.5 x 2^52 leaves no bits for fractions. */
static int32_t rounded(double x)
{
    const double far = 1073741824.0, all_bits = 6755399441055744.0;
    x = x < -far ? -far : x > far ? far : x;
    volatile double moved = x + all_bits; /* a compiler must not take the two steps together */
    return (int32_t)(moved - all_bits);
}

/* Values to bias currents: the one place with real numbers. In double, as the backend has it: a product of two floats
   is exact there. A Cortex-M4F has no unit for doubles, so this is software: some hundred instructions a weight, once
   a tick. */

static void add_held(const struct held_input *h)
{
    const struct program *p = &program;
    struct state *s = &state;
    memset(s->held_total, 0, h->n_targets * sizeof *s->held_total);
    for (uint32_t source = h->source_first; source < h->source_end; source++) {
        uint32_t row = h->row + source - h->source_first;
        double value = s->values[source];
        if (value == 0) /* adds nothing, and what it spares is most of a quiet tick */
            continue;
        for (uint32_t k = p->held_starts[row]; k < p->held_starts[row + 1]; k++)
            s->held_total[p->held_targets[k]] += (double)p->held_weights[k] * value;
    }
    for (uint32_t i = 0; i < h->n_targets; i++)
        s->held_bias[h->target_first + i] += rounded(p->held_scales[h->scale + i] * s->held_total[i]);
}

static void hold(void)
{
    for (uint32_t i = 0; i < program.n_neurons; i++)
        state.held_bias[i] = program.bias[i];
    for (uint32_t i = 0; i < program.n_held; i++)
        add_held(&program.held[i]);
    for (uint32_t i = 0; i < program.n_neurons; i++)
        state.bias[i] = registered(state.held_bias[i]);
}

/* Neurons. */

static void update(const struct population *p, const int32_t *arriving)
{
    struct state *s = &state;
    for (uint32_t i = p->first; i < p->end; i++) {
        s->u[i] = wrapped(decayed(s->u[i], p->keep_u), arriving[i]);
        if (s->wait[i] == 0)
            s->v[i] = clipped(decayed(s->v[i], p->keep_v) + s->u[i] + s->bias[i]);
    }
}

static uint32_t fire(const struct population *p, uint32_t n_fired)
{
    struct state *s = &state;
    for (uint32_t i = p->first; i < p->end; i++) {
        if (s->wait[i] > 0) {
            s->wait[i]--;
        } else if (s->v[i] > p->threshold) {
            s->v[i] = 0;
            s->wait[i] = (uint8_t)p->refractory;
            s->fired[n_fired++] = (uint16_t)i;
        }
    }
    return n_fired;
}

/* Synapses. */

static uint32_t send_one(const struct bundle *b, uint32_t source)
{
    uint32_t operations = 0;
    if (source < b->source_first || source >= b->source_end)
        return 0;
    uint32_t row = b->row + source - b->source_first;
    for (uint32_t k = program.starts[row]; k < program.starts[row + 1]; k++) {
        state.total[program.targets[k]] += program.weights[k];
        operations += program.weights[k] != 0;
    }
    return operations;
}

static void deliver(const struct bundle *b, const uint8_t *events, uint32_t n_events)
{
    struct state *s = &state;
    uint32_t operations = 0;
    if (b->population < 0)
        for (uint32_t i = 0; i < n_events; i++)
            operations += send_one(b, wire_u32(events + i * WIRE_EVENT_BYTES + 4));
    else
        for (uint32_t k = s->fired_to[b->population]; k < s->fired_to[b->population + 1]; k++)
            operations += send_one(b, s->fired[k]);
    if (operations == 0)
        return;
    int32_t *at = s->ring + (s->slot + b->delay) % program.n_slots * program.n_neurons + b->target_first;
    for (uint32_t i = 0; i < b->n_targets; i++) {
        at[i] = (int32_t)((uint32_t)at[i] + (uint32_t)shifted(s->total[i], b->exponent));
        s->total[i] = 0;
    }
    s->synaptic_operations += operations;
}

/* The spikes of tapped populations, as events. */
static uint32_t write(const struct tap *taps, uint32_t n_taps, uint32_t t_us, struct wire_event *events, uint32_t n)
{
    for (uint32_t t = 0; t < n_taps; t++) {
        uint32_t q = taps[t].population;
        for (uint32_t k = state.fired_to[q]; k < state.fired_to[q + 1]; k++)
            events[n++] = (struct wire_event){t_us, taps[t].address + state.fired[k] - program.populations[q].first};
    }
    return n;
}

/* One step, with those of the TICK's events that fall into it. */
static void step(const uint8_t *events, uint32_t n_events)
{
    struct state *s = &state;
    int32_t *arriving = s->ring + s->slot * program.n_neurons;
    for (uint32_t q = 0; q < program.n_populations; q++) {
        update(&program.populations[q], arriving);
        s->fired_to[q + 1] = fire(&program.populations[q], s->fired_to[q]);
    }
    memset(arriving, 0, program.n_neurons * sizeof *arriving);
    s->spikes += s->fired_to[program.n_populations];
    s->neuron_updates += program.n_neurons;
    for (uint32_t b = 0; b < program.n_bundles; b++)
        deliver(&program.bundles[b], events, n_events);
    s->slot = s->slot + 1 < program.n_slots ? s->slot + 1 : 0;
}

static void take_values(const uint8_t *values)
{
    for (uint32_t i = 0; i < program.sizes.n_values_in; i++, values += 4) {
        float value = wire_f32(values);
        int finite = (wire_u32(values) >> 23 & 0xFF) != 0xFF;
        state.values[i] = finite ? value : 0;
    }
    if (program.sizes.n_values_in > 0)
        hold();
}

static void answer(struct wire_reply *reply)
{
    struct state *s = &state;
    for (uint32_t i = 0; i < program.sizes.n_values_out; i++) {
        const struct reading *r = &program.readings[i];
        s->readings[i] = (float)(r->zero + r->volts * (double)s->v[r->neuron]);
    }
    reply->values = s->readings;
    reply->events = s->output_events;
    reply->probe_events = s->probe_events;
    reply->counters[0] = s->spikes;
    reply->counters[1] = s->synaptic_operations;
    reply->counters[2] = s->neuron_updates;
    s->spikes = s->synaptic_operations = s->neuron_updates = 0;
}

void network_run(const struct wire_tick *tick, struct wire_reply *reply)
{
    const uint8_t *events = tick ? tick->events : NULL;
    uint32_t left = tick ? tick->n_events : 0, n_out = 0, n_probe = 0;
    if (tick)
        take_values(tick->values);
    pes_hold(tick);
    for (uint32_t t_us = 0; t_us < program.sizes.period_us; t_us += program.dt_us) {
        uint32_t n = 0;
        while (n < left && wire_u32(events + n * WIRE_EVENT_BYTES) < t_us + program.dt_us)
            n++;
        step(events, n);
        pes_step(events, n);
        if (n > 0)
            events += n * WIRE_EVENT_BYTES;
        left -= n;
        if (reply) {
            n_out = write(program.outputs, program.n_outputs, t_us, state.output_events, n_out);
            n_probe = write(program.probes, program.n_probes, t_us, state.probe_events, n_probe);
        }
    }
    if (reply) {
        reply->n_events = n_out;
        reply->n_probe_events = n_probe;
        answer(reply);
        pes_answer(reply);
    }
}

void network_reset(int keep_states)
{
    const struct program *p = &program;
    struct state *s = &state;
    if (!keep_states) {
        memset(s->u, 0, p->n_neurons * sizeof *s->u);
        memset(s->wait, 0, p->n_neurons);
        memset(s->ring, 0, p->n_slots * p->n_neurons * sizeof *s->ring);
        memcpy(s->v, p->v_initial, p->n_neurons * sizeof *s->v);
        s->slot = 0;
    }
    memset(s->values, 0, p->sizes.n_values_in * sizeof *s->values);
    hold();
    s->spikes = s->synaptic_operations = s->neuron_updates = 0;
}
