/* Readouts that learn by PES, beside the integer network: what hilbench's backend `reference` computes of them, with
   weights and rates in single precision and membranes in double.

   Only networks that have such readouts are built with pes.c and -DLEARNS; in all others these functions are empty. */
#ifndef PES_H
#define PES_H

#include "network.h"

#ifdef LEARNS

/* One neuron: v <- rest + (v - rest) decay + from_current i + from_input x;  i <- syn_decay i + syn_gain x.
   In double: a slow neuron adds up what is far below the last bit of a float. */
struct readout {
    double rest, decay, from_current, from_input, syn_decay, syn_gain;
    double constant, v_initial; /* constant is part of x */
};

enum { FROM_EVENTS = -1, FROM_VALUES = -2 };

/* Synapses of one projection that share a delay. Their sources are neurons of a population, addresses of events or
   values. Column by column: source s, counted from source_first, has the synapses starts[s] to starts[s + 1]. */
struct spread {
    int32_t population; /* or FROM_EVENTS, FROM_VALUES */
    uint32_t source_first, n_sources, target_first;
    uint32_t delay;       /* steps, 0 or more */
    float sent;           /* what a spike or an event counts; a value counts what it is */
    const uint32_t *starts;
    const uint16_t *targets; /* place within the readouts, from target_first on */
    const float *weights;
};

/* PES on the synapses of a spread: w <- w - scale x error of the target x rate of the source, within low and high. */
struct rule {
    const struct spread *on;
    float decay, gain; /* rate <- decay rate + gain x spikes that arrive */
    float scale, low, high;
    uint32_t n_targets, modulator;    /* of the TICK's modulators, the first target's error */
    const uint32_t *fan_in;           /* synapses onto each target */
    float *weights, *rates, *changes; /* changes: -scale x error, by target */
    uint16_t *under_way;              /* n_slots rows of a source each: spikes as they were sent */
};

/* A readout's membrane as an output value. */
struct pes_output {
    uint32_t value, readout;
};

/* Sizes and constants, in flash. */
struct pes {
    uint32_t n_readouts, n_spreads, n_rules, n_outputs, n_slots, n_weights;
    const struct readout *readouts;
    const struct spread *spreads;
    const struct rule *rules;
    const struct pes_output *outputs;
    const float *weights_initial; /* of all rules, side by side */
};

/* What changes, in RAM, besides what rules point at. */
struct pes_state {
    double *v, *current; /* a readout each */
    float *arriving;     /* n_slots rows of a readout each: what arrives in this step and those to come */
    float *weights;      /* what rules have learnt */
    uint32_t slot;       /* the row of this step */
    uint64_t updates, updates_a_step, multiplications;
};

extern const struct pes pes;
extern struct pes_state pes_state;

/* Start an episode; `carry` is RESET's. */
void pes_reset(int carry);

/* The errors of a period, held over its steps. Without a tick, and while it says so, nothing is learnt. */
void pes_hold(const struct wire_tick *tick);

/* One step, after that of the network, with the same events. */
void pes_step(const uint8_t *events, uint32_t n_events);

/* What the REPLY tells of them. */
void pes_answer(struct wire_reply *reply);

#else

static inline void pes_reset(int carry)
{
    (void)carry;
}

static inline void pes_hold(const struct wire_tick *tick)
{
    (void)tick;
}

static inline void pes_step(const uint8_t *events, uint32_t n_events)
{
    (void)events;
    (void)n_events;
}

static inline void pes_answer(struct wire_reply *reply)
{
    (void)reply;
}

#endif
#endif
