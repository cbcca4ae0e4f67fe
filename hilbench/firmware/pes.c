#include "pes.h"

#include <string.h>

/* Who has sent something over a spread in this step: the k-th of n_senders, counted from the spread's first source; it
   may be none of the spread's, at or beyond n_sources. */

static uint32_t n_senders(const struct spread *p, uint32_t n_events)
{
    if (p->population == FROM_EVENTS)
        return n_events;
    if (p->population == FROM_VALUES)
        return p->n_sources;
    return state.fired_to[p->population + 1] - state.fired_to[p->population];
}

static uint32_t sender(const struct spread *p, const uint8_t *events, uint32_t k)
{
    if (p->population == FROM_EVENTS)
        return wire_u32(events + k * WIRE_EVENT_BYTES + 4) - p->source_first;
    if (p->population == FROM_VALUES)
        return k;
    return state.fired[state.fired_to[p->population] + k] - p->source_first;
}

/* Put what is sent where it arrives, times the weights as they are now. */
static void send(const struct spread *p, const uint8_t *events, uint32_t n_events)
{
    struct pes_state *s = &pes_state;
    float *arriving = s->arriving + (s->slot + p->delay) % pes.n_slots * pes.n_readouts + p->target_first;
    uint32_t operations = 0, n = n_senders(p, n_events);
    int graded = 0; /* whether the port holds any other number than -1, 0 and 1: its operations multiply then */
    for (uint32_t k = 0; k < n; k++) {
        uint32_t source = sender(p, events, k);
        float sent = p->sent;
        if (source >= p->n_sources)
            continue;
        if (p->population == FROM_VALUES && (sent = state.values[p->source_first + source]) == 0)
            continue;
        graded |= p->population == FROM_VALUES && sent != 1 && sent != -1;
        for (uint32_t j = p->starts[source]; j < p->starts[source + 1]; j++) {
            arriving[p->targets[j]] += p->weights[j] * sent;
            operations += p->weights[j] != 0;
        }
    }
    state.synaptic_operations += operations;
    s->multiplications += graded ? operations : 0;
}

static void update(void)
{
    struct pes_state *s = &pes_state;
    float *arriving = s->arriving + s->slot * pes.n_readouts;
    for (uint32_t i = 0; i < pes.n_readouts; i++) {
        const struct readout *r = &pes.readouts[i];
        double x = r->constant + (double)arriving[i], v = r->rest + (s->v[i] - r->rest) * r->decay;
        if (r->syn_gain != 0) { /* spares the others what a product costs in software */
            v += r->from_current * s->current[i];
            s->current[i] = r->syn_decay * s->current[i] + r->syn_gain * x;
        }
        s->v[i] = v + r->from_input * x;
        arriving[i] = 0;
    }
}

/* The rates one step on: spikes count when they arrive, over the projection's delay. */
static void follow(const struct rule *r, const uint8_t *events, uint32_t n_events)
{
    const struct spread *p = r->on;
    uint16_t *sent = r->under_way + pes_state.slot * p->n_sources;
    const uint16_t *arrive = r->under_way + (pes_state.slot + pes.n_slots - p->delay) % pes.n_slots * p->n_sources;
    uint32_t n = n_senders(p, n_events);
    memset(sent, 0, p->n_sources * sizeof *sent);
    for (uint32_t k = 0; k < n; k++) {
        uint32_t source = sender(p, events, k);
        if (source < p->n_sources)
            sent[source]++;
    }
    for (uint32_t s = 0; s < p->n_sources; s++)
        r->rates[s] = r->decay * r->rates[s] + r->gain * arrive[s];
}

static void learn(const struct rule *r)
{
    const struct spread *p = r->on;
    for (uint32_t s = 0; s < p->n_sources; s++) {
        float rate = r->rates[s];
        if (rate == 0)
            continue;
        for (uint32_t j = p->starts[s]; j < p->starts[s + 1]; j++) {
            float w = r->weights[j] + r->changes[p->targets[j]] * rate;
            r->weights[j] = w < r->low ? r->low : w > r->high ? r->high : w;
        }
    }
}

void pes_step(const uint8_t *events, uint32_t n_events)
{
    struct pes_state *s = &pes_state;
    for (uint32_t i = 0; i < pes.n_spreads; i++)
        send(&pes.spreads[i], events, n_events);
    update();
    for (uint32_t i = 0; i < pes.n_rules; i++) {
        follow(&pes.rules[i], events, n_events);
        if (s->updates_a_step > 0)
            learn(&pes.rules[i]);
    }
    s->updates += s->updates_a_step;
    s->slot = s->slot + 1 < pes.n_slots ? s->slot + 1 : 0;
    state.neuron_updates += pes.n_readouts;
}

/* An error that is no finite number counts as 0. */
static float error_at(const uint8_t *modulator)
{
    int finite = (wire_u32(modulator) >> 23 & 0xFF) != 0xFF;
    return finite ? wire_f32(modulator) : 0;
}

void pes_hold(const struct wire_tick *tick)
{
    struct pes_state *s = &pes_state;
    s->updates_a_step = 0;
    if (tick == NULL || !tick->learning)
        return;
    for (uint32_t i = 0; i < pes.n_rules; i++) {
        const struct rule *r = &pes.rules[i];
        for (uint32_t t = 0; t < r->n_targets; t++) {
            float error = error_at(tick->modulators + 4 * (r->modulator + t));
            r->changes[t] = -r->scale * error;
            s->updates_a_step += error != 0 ? r->fan_in[t] : 0;
        }
    }
}

void pes_answer(struct wire_reply *reply)
{
    for (uint32_t i = 0; i < pes.n_outputs; i++)
        state.readings[pes.outputs[i].value] = (float)pes_state.v[pes.outputs[i].readout];
    reply->counters[3] = pes_state.updates;
    reply->counters[4] = pes_state.multiplications;
    pes_state.updates = pes_state.multiplications = 0;
}

static void forget(void)
{
    struct pes_state *s = &pes_state;
    memset(s->arriving, 0, pes.n_slots * pes.n_readouts * sizeof *s->arriving);
    for (uint32_t i = 0; i < pes.n_readouts; i++) {
        s->v[i] = pes.readouts[i].v_initial;
        s->current[i] = 0;
    }
    for (uint32_t i = 0; i < pes.n_rules; i++) {
        const struct rule *r = &pes.rules[i];
        memset(r->rates, 0, r->on->n_sources * sizeof *r->rates);
        memset(r->under_way, 0, pes.n_slots * r->on->n_sources * sizeof *r->under_way);
    }
    s->slot = 0;
}

void pes_reset(int carry)
{
    if (carry == WIRE_CARRY_NOTHING)
        memcpy(pes_state.weights, pes.weights_initial, pes.n_weights * sizeof *pes_state.weights);
    if (carry != WIRE_CARRY_ALL)
        forget();
    pes_state.updates = pes_state.multiplications = 0;
}
