/* A network in Loihi's integers, and one step of it: bit for bit what hilbench's backend `loihi` computes.

   The numbers are in program.c, which `hilbench build cortexm` writes; all else is the same for every network. */
#ifndef NETWORK_H
#define NETWORK_H

#include <stdint.h>

#include "wire.h"

/* Neurons that lie side by side and share their constants. */
struct population {
    uint32_t first, end;
    int32_t keep_u, keep_v; /* what a step keeps of u and v, in 4096ths */
    int32_t threshold;      /* v above it is a spike; INT32_MAX: never */
    uint32_t refractory;    /* steps for which v is held after a spike */
};

/* Synapses of one projection that share a delay. Their sources are neurons of a population or, with population -1,
   addresses of a TICK's events. Column by column: source s has the synapses starts[row] to starts[row + 1],
   row = s - source_first + the bundle's row. */
struct bundle {
    uint32_t source_first, source_end, target_first, n_targets, row;
    int32_t population;
    uint32_t delay;   /* steps, 1 or more */
    int32_t exponent; /* what has been added up is shifted left by this, or right where it is negative */
};

/* Values of a TICK that act as bias currents, round(scale x weights x values), for as long as they are held. */
struct held_input {
    uint32_t source_first, source_end, target_first, n_targets, row;
    uint32_t scale; /* where the first target's is in held_scales */
};

struct tap {
    uint32_t population, address; /* the address of its first neuron */
};

/* A neuron whose membrane is an output value: zero + volts x v. */
struct reading {
    uint32_t neuron;
    double volts, zero;
};

/* Sizes and constants, in flash. */
struct program {
    struct wire_sizes sizes;
    uint8_t hash[16];
    uint32_t dt_us, n_neurons, n_slots, n_populations, n_bundles, n_held, n_outputs, n_probes;
    const struct population *populations;
    const int32_t *bias, *v_initial; /* a neuron each */
    const struct bundle *bundles;
    const uint32_t *starts;
    const uint16_t *targets; /* place within the bundle's targets */
    const int16_t *weights;
    const struct held_input *held;
    const uint32_t *held_starts;
    const uint16_t *held_targets;
    const float *held_weights;
    const double *held_scales;
    const struct tap *outputs, *probes;
    const struct reading *readings; /* one for each output value */
};

/* All that changes, in RAM. */
struct state {
    int32_t *u, *v, *bias; /* a neuron each */
    uint8_t *wait;         /* a neuron each: steps for which v is still held */
    int32_t *ring;         /* n_slots rows of a neuron each: what arrives in the steps to come */
    uint32_t slot;         /* the row of this step */
    int32_t *total;        /* what a bundle has added up, by target */
    uint16_t *fired;       /* the neurons that fired in this step */
    uint32_t *fired_to;    /* where each population's part of `fired` begins, and one more: where the last one ends */
    double *held_total;
    int64_t *held_bias;
    float *values, *readings; /* the TICK's values; the REPLY's */
    struct wire_event *output_events, *probe_events; /* of one period in which every neuron fires in every step */
    uint64_t spikes, synaptic_operations, neuron_updates;
};

extern const struct program program;
extern struct state state;
extern uint8_t frame_room[]; /* for the longest frame that is taken */
extern const uint32_t frame_room_bytes;

/* Start an episode; with `keep_states` the membranes, currents and spikes on their way go on. */
void network_reset(int keep_states);

/* One control period. Without a tick the values of the last one are held and no events come. */
void network_run(const struct wire_tick *tick, struct wire_reply *reply);

#endif
