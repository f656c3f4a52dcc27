/*
 * Many sessions of libiscsi that read and write all the time and know what every block must hold.
 *
 *   load PORTAL TARGET LUN BLOCK FIRST COUNT PLOT
 *
 * COUNT sessions, each in a part of PLOT bytes of the unit, from part FIRST on. Nothing is ever reconnected: a connection
 * that ends, a command that is not GOOD and a byte that is wrong each end the program with status 1 and say why. It prints
 * `ready` when all have logged in, goes on until its standard input ends, reads everything again, logs out, and prints what
 * it has done.
 */
#include <inttypes.h>
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LANES 4
#define PIECE_MAX 32768
#define CELL 4096
#define CELLS_MAX 4096

struct lane {
    struct session *session;
    unsigned char *data;
    uint32_t at, cells; /* of the command that is under way */
    int busy;
    uint64_t begun;
};

struct session {
    struct iscsi_context *iscsi;
    int number;
    uint64_t first;            /* the first block of its part */
    uint64_t seeds[CELLS_MAX]; /* what each cell was last written with; 0: zeros */
    uint64_t random, fresh;
    int verifying;             /* no write is under way any more: all is read again */
    uint32_t verified_to;      /* as far as this */
    struct lane lanes[LANES];
};

static int lun;
static uint32_t block, cells_each;
static int ending;
static uint64_t commands, verified, longest_us;

static void fail(const struct session *s, const char *format, ...) {
    va_list list;
    va_start(list, format);
    printf("session %d: ", s ? s->number : -1);
    vprintf(format, list);
    printf("\n");
    va_end(list);
    exit(1);
}

static uint64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static uint64_t next(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static void cell(unsigned char *to, uint64_t seed) {
    uint64_t state = seed;
    for (int n = 0; n < CELL; n += 8) {
        uint64_t word = seed ? next(&state) : 0;
        memcpy(to + n, &word, 8);
    }
}

static void go_on(struct lane *lane);

static void check_end(struct lane *lane, int status, struct scsi_task *task) {
    struct session *s = lane->session;
    uint64_t took = now_us() - lane->begun;
    if (status != SCSI_STATUS_GOOD)
        fail(s, "status %d after %" PRIu64 " us: %s", status, took, iscsi_get_error(s->iscsi));
    if (task->residual_status != SCSI_RESIDUAL_NO_RESIDUAL)
        fail(s, "a residual of %zu", task->residual);
    if (took > longest_us)
        longest_us = took;
    commands++;
    lane->busy = 0;
}

static void written(struct iscsi_context *iscsi, int status, void *data, void *private) {
    struct lane *lane = private;
    (void)iscsi;
    check_end(lane, status, data);
    scsi_free_scsi_task(data);
    go_on(lane);
}

static void read_back(struct iscsi_context *iscsi, int status, void *data, void *private) {
    struct lane *lane = private;
    struct scsi_task *task = data;
    unsigned char due[CELL];
    (void)iscsi;
    check_end(lane, status, task);
    if (task->datain.size != (int)(lane->cells * CELL))
        fail(lane->session, "%d bytes were read, not %u", task->datain.size, lane->cells * CELL);
    for (uint32_t n = 0; n < lane->cells; n++) {
        cell(due, lane->session->seeds[lane->at + n]);
        if (memcmp(due, task->datain.data + n * CELL, CELL))
            fail(lane->session, "cell %u is not what was written last", lane->at + n);
    }
    verified += lane->cells * CELL;
    scsi_free_scsi_task(task);
    go_on(lane);
}

/* The lane's next command; lanes keep to their own cells, so that none needs to wait for another. */
static void go_on(struct lane *lane) {
    struct session *s = lane->session;
    uint32_t own = cells_each / LANES, index = lane - s->lanes, step = CELL / block;
    struct scsi_task *task;
    int write = 0;
    if (ending && !s->verifying)
        return;
    if (!s->verifying) {
        lane->cells = 1 + next(&s->random) % (PIECE_MAX / CELL);
        lane->at = index * own + next(&s->random) % (own - lane->cells);
        write = next(&s->random) % 2;
    } else {
        /* Every lane takes what nobody has read again. */
        if (s->verified_to >= cells_each)
            return;
        lane->at = s->verified_to;
        lane->cells = cells_each - lane->at < PIECE_MAX / CELL ? cells_each - lane->at : PIECE_MAX / CELL;
        s->verified_to += lane->cells;
    }
    lane->begun = now_us();
    lane->busy = 1;
    uint64_t lba = s->first + (uint64_t)lane->at * step;
    if (write) {
        for (uint32_t n = 0; n < lane->cells; n++) {
            s->seeds[lane->at + n] = ++s->fresh;
            cell(lane->data + n * CELL, s->fresh);
        }
        int fua = next(&s->random) % 8 == 0;
        task = iscsi_write16_task(s->iscsi, lun, lba, lane->data, lane->cells * CELL, block, 0, 0, fua, 0, 0, written, lane);
    } else {
        task = iscsi_read16_task(s->iscsi, lun, lba, lane->cells * CELL, block, 0, 0, 0, 0, 0, read_back, lane);
    }
    if (!task)
        fail(s, "cannot send: %s", iscsi_get_error(s->iscsi));
}

static void begin(struct session *s, const char *portal, const char *target) {
    char name[128];
    snprintf(name, sizeof name, "iqn.2026-11.internal.mainstay.test:libiscsi-%d", s->number);
    s->iscsi = iscsi_create_context(name);
    if (!s->iscsi)
        fail(s, "no context");
    iscsi_set_noautoreconnect(s->iscsi, 1);
    iscsi_set_targetname(s->iscsi, target);
    iscsi_set_session_type(s->iscsi, ISCSI_SESSION_NORMAL);
    iscsi_set_header_digest(s->iscsi, s->number % 2 ? ISCSI_HEADER_DIGEST_CRC32C : ISCSI_HEADER_DIGEST_NONE);
    iscsi_set_initial_r2t(s->iscsi, s->number % 3 ? ISCSI_INITIAL_R2T_NO : ISCSI_INITIAL_R2T_YES);
    iscsi_set_immediate_data(s->iscsi, s->number % 4 ? ISCSI_IMMEDIATE_DATA_YES : ISCSI_IMMEDIATE_DATA_NO);
    if (iscsi_full_connect_sync(s->iscsi, portal, lun))
        fail(s, "login: %s", iscsi_get_error(s->iscsi));
    s->random = s->number;
    s->fresh = (uint64_t)s->number << 40;
    s->first = (uint64_t)s->number * cells_each * (CELL / block);
    for (int n = 0; n < LANES; n++) {
        s->lanes[n].session = s;
        s->lanes[n].data = malloc(PIECE_MAX);
        if (!s->lanes[n].data)
            fail(s, "no memory");
    }
}

static int busy(const struct session *s) {
    int n = 0;
    for (int lane = 0; lane < LANES; lane++)
        n += s->lanes[lane].busy;
    return n;
}

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc != 8) {
        fprintf(stderr, "usage: load PORTAL TARGET LUN BLOCK FIRST COUNT PLOT\n");
        return 64;
    }
    lun = atoi(argv[3]);
    block = atoi(argv[4]);
    int first = atoi(argv[5]), count = atoi(argv[6]);
    cells_each = atoi(argv[7]) / CELL;
    if (cells_each > CELLS_MAX || count < 1)
        fail(NULL, "plot or count out of range");
    struct session *sessions = calloc(count, sizeof *sessions);
    struct pollfd *fds = calloc(count + 1, sizeof *fds);
    if (!sessions || !fds)
        fail(NULL, "no memory");
    for (int n = 0; n < count; n++) {
        sessions[n].number = first + n;
        begin(&sessions[n], argv[1], argv[2]);
    }
    printf("ready\n");
    for (int n = 0; n < count; n++)
        for (int lane = 0; lane < LANES; lane++)
            go_on(&sessions[n].lanes[lane]);
    for (;;) {
        int under_way = 0;
        fds[count] = (struct pollfd){.fd = ending ? -1 : STDIN_FILENO, .events = POLLIN};
        for (int n = 0; n < count; n++) {
            struct session *s = &sessions[n];
            if (ending && !s->verifying && !busy(s)) {
                s->verifying = 1;
                for (int lane = 0; lane < LANES; lane++)
                    go_on(&s->lanes[lane]);
            }
            fds[n] = (struct pollfd){.fd = iscsi_get_fd(sessions[n].iscsi), .events = iscsi_which_events(sessions[n].iscsi)};
            under_way += busy(&sessions[n]);
        }
        if (ending && !under_way)
            break;
        if (poll(fds, count + 1, 20000) == 0)
            fail(NULL, "nothing has come for 20 s; %d commands are under way", under_way);
        if (fds[count].revents)
            ending = 1;
        /* Not a benchmark: others want their turn. */
        if (!ending)
            usleep(100000);
        for (int n = 0; n < count; n++)
            if (fds[n].revents && iscsi_service(sessions[n].iscsi, fds[n].revents) < 0)
                fail(&sessions[n], "the connection is lost: %s", iscsi_get_error(sessions[n].iscsi));
    }
    for (int n = 0; n < count; n++) {
        if (sessions[n].verified_to < cells_each)
            fail(&sessions[n], "only %u cells were read again", sessions[n].verified_to);
        if (iscsi_logout_sync(sessions[n].iscsi))
            fail(&sessions[n], "logout: %s", iscsi_get_error(sessions[n].iscsi));
    }
    printf("done %" PRIu64 " commands, %" PRIu64 " bytes verified, longest %" PRIu64 " us\n", commands, verified, longest_us);
    return 0;
}
