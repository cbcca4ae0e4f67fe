/* A robot of docs/robots.md over UDP: a cart-pole, integrated in real time. POSIX and C99.

   Usage: robot PORT [own-clock]     (0 is any free port; it prints where it listens)
   SIGUSR1 is its emergency stop. own-clock: a clock that nobody else reads, as that of another machine. */
#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HELLO = 1, RESET, ACT, SENSE, STOP, ERROR = 7, BYE };
enum { BAD_VERSION = 2, BAD_SESSION = 4, BAD_RANGE = 6, BUSY = 9, IN_ESTOP = 13 };
enum { FLAG_ESTOP = 1, FLAG_WATCHDOG = 4, FLAG_TERMINATED = 8, FLAG_CLIPPED = 32 };
enum { HEADER_BYTES = 32, SENSE_BYTES = 40, FRAME_MAX = 65507, N_OBS = 4, N_ACTIONS = 1 };
#define NONE UINT64_MAX
#define PERIOD_NS 5000000u
#define WATCHDOG_NS 100000000u
#define LEASE_NS 10000000000u
#define STEP_NS 500000u
#define FORCE_N 20.0

static const char ABOUT[] =
    "{\"name\": \"cartpole\", \"period_us\": 5000, \"watchdog_us\": 100000,"
    " \"obs\": [{\"name\": \"x\", \"unit\": \"m\"}, {\"name\": \"xd\", \"unit\": \"m/s\"},"
    " {\"name\": \"theta\", \"unit\": \"rad\"}, {\"name\": \"thetad\", \"unit\": \"rad/s\"}],"
    " \"actions\": [{\"name\": \"force\", \"unit\": \"N\", \"low\": -20, \"high\": 20, \"safe\": 0}],"
    " \"parameters\": {\"cart_kg\": 1, \"pole_kg\": 0.1, \"pole_m\": 1, \"pole_inertia_kg_m2\": 0.00833333333333,"
    " \"gravity_m_s2\": 9.81, \"force_n\": 20}}";

static struct {
    double x[4]; /* x, xd, theta, thetad */
    uint64_t now_ns;
    int stands, fallen; /* it stands still from RESET to the first ACT */
} body;

static struct {
    int fd, open;
    struct sockaddr_in plant;
    uint16_t session;
    uint64_t hello_seq, reset_seq, act_seq, act_ns, heard_ns, due_ns, seq;
    uint32_t acts, refused, episode;
    uint16_t flags;
    double force_n;
    uint8_t boot_id[16];
} my;

static uint64_t ahead_ns;
static volatile sig_atomic_t ended, pressed; /* `pressed` is the emergency stop, until a RESET releases it */

static void end(int number) { (void)number; ended = 1; }
static void press(int number) { (void)number; pressed = 1; }

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec + ahead_ns;
}

/* Little-endian numbers, whatever the processor. */
static void put(uint8_t *to, uint64_t value, int n)
{
    for (int i = 0; i < n; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

static uint64_t get(const uint8_t *from, int n)
{
    uint64_t value = 0;
    for (int i = n; i-- > 0;)
        value = value << 8 | from[i];
    return value;
}

static void put_f32(uint8_t *to, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, 4);
    put(to, bits, 4);
}

static float get_f32(const uint8_t *from)
{
    uint32_t bits = (uint32_t)get(from, 4);
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

static void place(uint64_t seed)
{
    memset(&body, 0, sizeof body);
    body.x[2] = ((double)(seed * 2654435761u % 1001) / 1000 - 0.5) * 0.1;
    body.stands = 1;
}

/* Euler's method on M (xdd, thetadd) = forces; the rod's inertia about its hinge is m l^2 / 3. */
static void step(double force_n)
{
    const double half = 0.5, kg = 0.1, dt = STEP_NS * 1e-9;
    double s = sin(body.x[2]), c = cos(body.x[2]), a = 1.1, b = kg * half * c, d = kg / 3;
    double p = force_n + kg * half * s * body.x[3] * body.x[3], q = kg * 9.81 * half * s, det = a * d - b * b;
    double rate[4] = {body.x[1], (d * p - b * q) / det, body.x[3], (a * q - b * p) / det};
    for (int i = 0; i < 4; i++)
        body.x[i] += dt * rate[i];
    body.fallen = fabs(body.x[2]) > 0.6 || fabs(body.x[0]) > 2.35;
}

static void pass(double force_n, uint64_t until_ns)
{
    for (; !body.stands && !body.fallen && until_ns >= body.now_ns + STEP_NS; body.now_ns += STEP_NS)
        step(force_n);
}

/* The time up to now, under what acted in it. */
static void move(uint64_t now_ns)
{
    if (pressed)
        my.force_n = 0;
    if (!body.stands && !(my.flags & FLAG_WATCHDOG) && now_ns > my.act_ns + WATCHDOG_NS) {
        pass(my.force_n, my.act_ns + WATCHDOG_NS);
        my.force_n = 0;
        my.flags |= FLAG_WATCHDOG;
    }
    pass(my.force_n, now_ns);
}

static void reply(const struct sockaddr_in *to, int kind, uint16_t session, uint64_t seq, uint64_t t_ns, uint16_t flags,
                  uint16_t n_values, const void *rest, size_t n)
{
    uint8_t frame[HEADER_BYTES + 1024] = {'H', 'R', 1};
    frame[3] = (uint8_t)kind;
    put(frame + 4, session, 2);
    put(frame + 6, flags, 2);
    put(frame + 8, seq, 8);
    put(frame + 16, t_ns, 8);
    put(frame + 28, n_values, 2);
    memcpy(frame + HEADER_BYTES, rest, n);
    (void)sendto(my.fd, frame, HEADER_BYTES + n, 0, (const struct sockaddr *)to, sizeof *to);
}

static void refuse(const struct sockaddr_in *to, uint16_t session, uint64_t seq, int code, const char *text)
{
    uint8_t rest[128];
    put(rest, (uint64_t)code, 2);
    memcpy(rest + 2, text, strlen(text));
    reply(to, ERROR, session, seq, 0, 0, 0, rest, 2 + strlen(text));
}

static void end_session(uint64_t now_ns)
{
    move(now_ns);
    my.open = 0;
    my.force_n = 0;
}

static void hello(const struct sockaddr_in *from, int mine, uint64_t seq, uint64_t now_ns)
{
    uint8_t rest[24 + sizeof ABOUT];
    if (my.open && !mine) {
        refuse(from, 0, seq, BUSY, "another hilbench drives this robot");
        return;
    }
    if (!my.open || seq != my.hello_seq) { /* else its answer was lost */
        end_session(now_ns);
        my.open = 1, my.plant = *from, my.hello_seq = seq, my.heard_ns = my.due_ns = now_ns;
        my.session = (uint16_t)(my.session % 0xFFFF + 1);
        my.reset_seq = my.act_seq = NONE, my.act_ns = my.seq = 0;
        my.acts = my.refused = my.episode = 0, my.flags = 0;
        body.stands = 1;
    }
    memcpy(rest, my.boot_id, 16);
    put(rest + 16, now(), 8);
    memcpy(rest + 24, ABOUT, sizeof ABOUT - 1);
    reply(from, HELLO, my.session, seq, now_ns, 0, 0, rest, 24 + sizeof ABOUT - 1);
}

static void reset(const uint8_t *rest, uint64_t seq)
{
    if (rest[8] > 1) {
        refuse(&my.plant, my.session, seq, BAD_RANGE, "release; allowed: 0, 1");
        return;
    }
    if (pressed && !rest[8]) {
        refuse(&my.plant, my.session, seq, IN_ESTOP, "the emergency stop is on");
        return;
    }
    if (seq != my.reset_seq) { /* else its answer was lost */
        pressed = 0;
        my.reset_seq = seq, my.episode++, my.flags = 0, my.force_n = 0;
        place(get(rest, 8));
    }
    reply(&my.plant, RESET, my.session, seq, 0, 0, 0, rest, 0);
}

static void act(const uint8_t *rest, uint16_t flags, uint64_t seq, uint64_t now_ns)
{
    double wanted = get_f32(rest + 8), within = fmin(fmax(wanted, -FORCE_N), FORCE_N);
    if (!isfinite(wanted) || flags > 1 || (my.act_seq != NONE && seq <= my.act_seq)) {
        my.refused++;
        return;
    }
    move(now_ns); /* under what acted until now */
    my.act_seq = seq, my.act_ns = now_ns, my.acts++;
    if (pressed || !my.episode)
        return;
    my.flags = (uint16_t)((my.flags & ~FLAG_WATCHDOG) | (within != wanted ? FLAG_CLIPPED : 0));
    my.force_n = flags ? 0 : within;
    if (body.stands)
        body.stands = 0, body.now_ns = now_ns;
}

/* Checks first: what fails one changes nothing but a count. */
static void receive(const struct sockaddr_in *from, const uint8_t *frame, size_t n)
{
    static const size_t sizes[] = {[HELLO] = 16, [RESET] = 16, [ACT] = 8 + 4 * N_ACTIONS, [STOP] = 0, [BYE] = 0};
    uint64_t now_ns = now(), seq;
    int kind = n > 3 ? frame[3] : 0, mine;
    uint16_t session;
    if (n < HEADER_BYTES || memcmp(frame, "HR", 2) || get(frame + 30, 2) || kind < HELLO || kind > BYE || kind == SENSE
        || kind == 6 || kind == ERROR) {
        my.refused++;
        return;
    }
    seq = get(frame + 8, 8), session = (uint16_t)get(frame + 4, 2);
    if (frame[2] != 1) {
        refuse(from, session, seq, BAD_VERSION, "allowed: version 1");
        return;
    }
    if (my.open && now_ns > my.heard_ns + LEASE_NS)
        end_session(now_ns);
    mine = my.open && from->sin_port == my.plant.sin_port && from->sin_addr.s_addr == my.plant.sin_addr.s_addr;
    if (kind != HELLO && !(mine && session == my.session)) {
        refuse(from, session, seq, BAD_SESSION, "that session is not open; say HELLO first");
        return;
    }
    if (n != HEADER_BYTES + sizes[kind] || get(frame + 24, 4)
        || get(frame + 28, 2) != (kind == ACT ? N_ACTIONS : 0)) {
        my.refused++;
        return;
    }
    if (mine)
        my.heard_ns = now_ns;
    if (kind == HELLO)
        hello(from, mine, seq, now_ns);
    else if (kind == RESET)
        reset(frame + HEADER_BYTES, seq);
    else if (kind == ACT)
        act(frame + HEADER_BYTES, (uint16_t)get(frame + 6, 2), seq, now_ns);
    else {
        move(now_ns);
        if (kind == STOP)
            pressed = 1;
        reply(from, kind, my.session, seq, 0, 0, 0, frame, 0);
        if (kind == BYE)
            end_session(now_ns);
    }
}

static void sense(uint64_t now_ns)
{
    uint8_t rest[SENSE_BYTES + 4 * N_OBS];
    uint16_t flags;
    my.due_ns = my.due_ns + PERIOD_NS > now_ns ? my.due_ns + PERIOD_NS : now_ns;
    move(now_ns);
    flags = (uint16_t)(my.flags | (pressed ? FLAG_ESTOP : 0) | (body.fallen ? FLAG_TERMINATED : 0));
    my.flags &= (uint16_t)~FLAG_CLIPPED;
    put(rest + 8, my.act_seq, 8);
    put(rest + 16, my.act_ns, 8);
    put(rest + 24, my.acts, 4);
    put(rest + 28, my.refused, 4);
    put(rest + 32, my.episode, 4);
    put_f32(rest + 36, body.fallen ? 0 : 1);
    for (int i = 0; i < N_OBS; i++)
        put_f32(rest + SENSE_BYTES + 4 * i, (float)body.x[i]);
    put(rest, now(), 8);
    reply(&my.plant, SENSE, my.session, my.seq++, now_ns, flags, N_OBS, rest, sizeof rest);
}

static void identify(int own_clock)
{
    FILE *file = fopen(own_clock ? "/dev/urandom" : "/proc/sys/kernel/random/boot_id", "rb");
    char text[36] = "";
    unsigned byte;
    if (file == NULL || fread(text, 1, sizeof text, file) < sizeof text)
        exit(1);
    fclose(file);
    for (int i = 0, at = 0; i < 16; i++, at += 2) {
        if (own_clock) {
            my.boot_id[i] = (uint8_t)text[i];
            continue;
        }
        at += text[at] == '-';
        if (sscanf(text + at, "%2x", &byte) != 1)
            exit(1);
        my.boot_id[i] = (uint8_t)byte;
    }
}

int main(int argc, char **argv)
{
    static uint8_t frame[FRAME_MAX + 1];
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof here;
    if (argc < 2) {
        fprintf(stderr, "usage: robot PORT [own-clock]\n");
        return 2;
    }
    identify(argc > 2);
    ahead_ns = argc > 2 ? 1000000000000u : 0;
    place(0);
    my.fd = socket(AF_INET, SOCK_DGRAM, 0);
    here.sin_port = htons((uint16_t)atoi(argv[1]));
    if (my.fd < 0 || bind(my.fd, (struct sockaddr *)&here, size) || getsockname(my.fd, (struct sockaddr *)&here, &size)) {
        perror("robot");
        return 1;
    }
    signal(SIGTERM, end);
    signal(SIGINT, end);
    signal(SIGUSR1, press);
    printf("listening on udp://127.0.0.1:%d\n", ntohs(here.sin_port));
    fflush(stdout);
    while (!ended) {
        struct pollfd wait = {.fd = my.fd, .events = POLLIN};
        uint64_t now_ns = now(), left_ns = my.due_ns > now_ns ? my.due_ns - now_ns : 0;
        if (poll(&wait, 1, my.open ? (int)(left_ns / 1000000u) : 500) > 0) {
            struct sockaddr_in from;
            socklen_t n_from = sizeof from;
            ssize_t n = recvfrom(my.fd, frame, sizeof frame, 0, (struct sockaddr *)&from, &n_from);
            if (n >= 0 && n <= FRAME_MAX)
                receive(&from, frame, (size_t)n);
        }
        if (my.open && now() >= my.due_ns)
            sense(now());
    }
    if (my.open)
        reply(&my.plant, BYE, my.session, 0, 0, 0, 0, frame, 0);
    return 0;
}
