/* A fixed device of docs/protocol.md over TCP: u = -K x within a limit. POSIX and C99; frames, CRC, COBS and the rules of
   the protocol are hilbench/firmware/wire.c.

   Usage: device PORT PERIOD_US HASH LIMIT GAIN...   (`hilbench program` prints all but the port; 0 takes a free one) */
#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

enum { MAX_GAINS = 64, MAX_PLANTS = 8, LOOK_MS = 100, SEND_MS = 200 };
enum { ROOM = WIRE_HEADER_BYTES + WIRE_ECHO_BYTES + WIRE_CRC_BYTES }; /* for the longest frame there is: an ECHO */

static const uint64_t LEASE_NS = 10000000000u;

/* The program. */
static struct {
    double limit, gain[MAX_GAINS];
    uint32_t n_gains, period_us;
    uint8_t hash[16];
} law;

/* A connection. The session lives in its wire_device, and one plant at a time has it. */
struct plant {
    int fd; /* -1: free */
    uint64_t heard_ns;
    float force;
    uint32_t n_out;
    struct wire_device wire;
    uint8_t room[ROOM], out[4096];
};

static struct plant plants[MAX_PLANTS];
static struct plant *owner; /* of the session; NULL when there is none */
static uint16_t last_session;
static uint8_t boot_id[16];
static volatile sig_atomic_t stopped;

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

static uint64_t now_ns(void *user)
{
    struct timespec now;
    (void)user;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void drop(struct plant *plant)
{
    if (owner == plant)
        owner = NULL;
    if (plant->fd >= 0)
        close(plant->fd);
    plant->fd = -1;
}

/* A plant that does not take its answers within SEND_MS is dropped: half a frame must not be followed by the next. */
static void flush(struct plant *plant)
{
    for (uint32_t at = 0; at < plant->n_out && plant->fd >= 0;) {
        ssize_t sent = send(plant->fd, plant->out + at, plant->n_out - at, 0);
        if (sent > 0)
            at += (uint32_t)sent;
        else
            drop(plant);
    }
    plant->n_out = 0;
}

/* COBS blocks are short; gathered, an answer is one packet. */
static void gather(void *user, const uint8_t *bytes, uint32_t n)
{
    struct plant *plant = user;
    if (plant->n_out + n > sizeof plant->out)
        flush(plant);
    memcpy(plant->out + plant->n_out, bytes, n); /* a block has 255 bytes at most */
    plant->n_out += n;
}

/* What wire.c asks for. */

static uint16_t admit(void *user)
{
    struct plant *plant = user;
    if (owner != NULL && owner != plant) {
        if (now_ns(NULL) - owner->heard_ns <= LEASE_NS)
            return 0;
        drop(owner);
    }
    owner = plant;
    plant->heard_ns = now_ns(NULL);
    last_session = last_session == UINT16_MAX ? 1 : (uint16_t)(last_session + 1);
    return last_session;
}

static void leave(void *user)
{
    (void)user;
    owner = NULL;
}

static void reset(void *user, uint64_t seed, int carry)
{
    (void)user, (void)seed, (void)carry; /* this law has no state */
}

static void advance(void *user)
{
    (void)user;
}

static void tick(void *user, const struct wire_tick *tick, struct wire_reply *reply)
{
    struct plant *plant = user;
    double sum = 0;
    for (uint32_t i = 0; i < law.n_gains; i++)
        sum -= law.gain[i] * wire_f32(tick->values + 4 * i);
    plant->force = (float)(sum < -law.limit ? -law.limit : sum > law.limit ? law.limit : sum);
    reply->values = &plant->force;
}

/* Connections. */

static void welcome(int listener)
{
    const struct timeval patience = {.tv_usec = SEND_MS * 1000};
    const int yes = 1;
    int fd = accept(listener, NULL, NULL);
    struct plant *plant = plants;
    while (plant < plants + MAX_PLANTS && plant->fd >= 0)
        plant++;
    if (fd < 0 || plant == plants + MAX_PLANTS) {
        if (fd >= 0)
            close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    plant->fd = fd;
    plant->n_out = 0;
    plant->wire = (struct wire_device){
        .sizes = {.period_us = law.period_us, .n_values_in = law.n_gains, .n_values_out = 1},
        .room = plant->room, .room_bytes = ROOM, .user = plant, .send = gather, .now_ns = now_ns,
        .reset = reset, .advance = advance, .tick = tick, .leave = leave, .admit = admit,
    };
    memcpy(plant->wire.boot_id, boot_id, sizeof boot_id);
    memcpy(plant->wire.program_hash, law.hash, sizeof law.hash);
    wire_start(&plant->wire);
}

static void hear(struct plant *plant)
{
    uint8_t bytes[4096];
    ssize_t n = recv(plant->fd, bytes, sizeof bytes, 0);
    uint32_t heard = plant->wire.heard;
    if (n <= 0) {
        drop(plant);
        return;
    }
    for (ssize_t i = 0; i < n && plant->fd >= 0; i++)
        wire_receive(&plant->wire, bytes[i]);
    flush(plant);
    if (plant->wire.heard != heard) /* nonsense does not renew the lease */
        plant->heard_ns = now_ns(NULL);
}

static void serve(int listener)
{
    struct pollfd waiting[1 + MAX_PLANTS];
    while (!stopped) {
        for (int i = 0; i < MAX_PLANTS; i++)
            waiting[1 + i] = (struct pollfd){.fd = plants[i].fd, .events = POLLIN}; /* poll skips -1 */
        waiting[0] = (struct pollfd){.fd = listener, .events = POLLIN};
        if (poll(waiting, 1 + MAX_PLANTS, LOOK_MS) <= 0)
            continue;
        for (int i = 0; i < MAX_PLANTS; i++)
            if (waiting[1 + i].revents && plants[i].fd >= 0)
                hear(&plants[i]);
        if (waiting[0].revents)
            welcome(listener);
    }
    if (owner != NULL) {
        wire_end(&owner->wire);
        flush(owner);
    }
}

/* Starting. */

static void fail(const char *what)
{
    fprintf(stderr, "device: %s\nusage: device PORT PERIOD_US HASH LIMIT GAIN...\n", what);
    exit(2);
}

static double number(const char *text, double least, double most, const char *what)
{
    char *end;
    double found = strtod(text, &end);
    if (end == text || *end || !(least <= found && found <= most))
        fail(what);
    return found;
}

static void read_hash(const char *text)
{
    if (strlen(text) != 32 || strspn(text, "0123456789abcdef") != 32)
        fail("HASH: expected 32 hexadecimal digits");
    for (int i = 0; i < 16; i++) {
        char digits[3] = {text[2 * i], text[2 * i + 1], 0};
        law.hash[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
}

static void read_boot_id(void)
{
    FILE *random = fopen("/dev/urandom", "rb");
    if (random == NULL || fread(boot_id, 1, sizeof boot_id, random) != sizeof boot_id)
        fail("/dev/urandom cannot be read");
    fclose(random);
}

static int listening(uint16_t port)
{
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t size = sizeof where;
    const int yes = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *)&where, size) || listen(fd, MAX_PLANTS))
        fail("PORT: nothing can listen there");
    getsockname(fd, (struct sockaddr *)&where, &size);
    printf("listening on stream://127.0.0.1:%u\n", ntohs(where.sin_port));
    fflush(stdout);
    return fd;
}

int main(int n, char **words)
{
    struct sigaction ending = {.sa_handler = stop};
    if (n < 6 || n > 5 + MAX_GAINS)
        fail("wrong number of words");
    uint16_t port = (uint16_t)number(words[1], 0, 65535, "PORT: expected 0 to 65535");
    law.period_us = (uint32_t)number(words[2], 1, UINT32_MAX, "PERIOD_US: expected a whole number");
    read_hash(words[3]);
    law.limit = number(words[4], 0, 1e30, "LIMIT: expected a number of 0 or more");
    for (law.n_gains = 0; (int)law.n_gains < n - 5; law.n_gains++)
        law.gain[law.n_gains] = number(words[5 + law.n_gains], -1e30, 1e30, "GAIN: expected a number");
    for (int i = 0; i < MAX_PLANTS; i++)
        plants[i].fd = -1;
    sigaction(SIGTERM, &ending, NULL);
    sigaction(SIGINT, &ending, NULL);
    signal(SIGPIPE, SIG_IGN);
    read_boot_id();
    serve(listening(port));
    return 0;
}
