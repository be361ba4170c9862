/*
 * smtpload - SMTP load generator: one thread, epoll, N concurrent connections.
 *
 *   cc -O2 -Wall -o smtpload smtpload.c -lssl -lcrypto        (with TLS)
 *   cc -O2 -Wall -DNO_TLS -o smtpload smtpload.c              (without)
 *
 * It keeps N connections busy until M messages were tried, K messages per connection, and prints
 * one line of JSON: messages per second, latency percentiles, errors by cause, its own CPU time.
 *
 * Latency of a message: from the start of connect() for the first message of a connection, from
 * the moment its MAIL is queued for the following ones, until its final reply (the one to the
 * dot, or to BDAT LAST) has been read.
 *
 * SMTP details it keeps to: multi-line replies ("250-..." then "250 ..."), the capabilities are
 * read from EHLO, PIPELINING / CHUNKING / STARTTLS are only used when offered (--force skips the
 * test), lines that begin with a dot are doubled (none does unless --dots), every body ends with
 * CRLF.CRLF. Nothing that arrives after a command group's last reply is accepted silently.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#ifndef NO_TLS
#include <openssl/err.h>
#include <openssl/ssl.h>
#endif

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

/* ------------------------------------------------------------------ options */

static struct {
    const char *host, *helo, *from, *to, *auth, *tls_min, *groups, *lat_file, *message, *proxy;
    int port, conns, rcpts, per_conn, ramp, src_count;
    long messages, size;
    double time_limit, io_timeout, idle_s, warmup_s, rate;
    bool pipelining, chunking, starttls, tls_wrap, resume, force, dots, hs_only, no_quit, lmtp, verbose;
} opt = {
    .host = "127.0.0.1", .helo = "load.example", .from = "sender@load.example",
    .to = "rcpt%d@sink.example", .port = 2525, .conns = 10, .rcpts = 1, .per_conn = 1,
    .ramp = 256, .src_count = 0, .messages = 1000, .size = 5120, .time_limit = 120, .io_timeout = 60,
};

static void usage(void) {
    fputs(
        "smtpload [options]\n"
        "  --host A --port P         server (127.0.0.1, 2525)\n"
        "  --conns N                 concurrent connections (10)\n"
        "  --messages M              messages in total, tried or delivered (1000)\n"
        "  --per-conn K              messages per connection (1)\n"
        "  --size BYTES              message size on the wire, without the final dot (5120)\n"
        "  --message FILE            send this instead, octet for octet but for doubled dots: all messages are alike\n"
        "  --proxy A                 come from address A: a PROXY header, version 1, before all else\n"
        "  --rcpts R                 recipients per message (1)\n"
        "  --pipelining              MAIL, RCPT.., DATA in one write, QUIT with the last dot\n"
        "  --chunking                BDAT instead of DATA (with --pipelining all in one write)\n"
        "  --starttls | --tls        STARTTLS, or TLS from the first byte\n"
        "  --resume                  offer the last TLS session of the same slot (one of --conns) again\n"
        "  --tls-min V --groups G    lowest TLS version 1.2|1.3, key exchange groups\n"
        "  --auth-plain USER:PASS    AUTH PLAIN with initial response\n"
        "  --handshake-only          connect, EHLO, [STARTTLS, EHLO], QUIT; counts connections\n"
        "  --idle SECONDS            open N connections, EHLO, [STARTTLS], hold, QUIT; counts connections\n"
        "  --rate R                  open loop: R connections a second, whatever became of those before; --conns is the\n"
        "                            most at a time, what finds no slot is counted as \"no-slot\"; latency then counts\n"
        "                            from the moment that a connection was due, and refusals are not waited for\n"
        "  --ramp C                  at most C connections being set up at a time (256)\n"
        "  --from A --to A           envelope; %d in --to becomes the recipient's number\n"
        "  --helo NAME --lmtp        name in EHLO; LHLO and one final reply per recipient\n"
        "  --dots                    every 4th body line begins with a dot (doubled on the wire)\n"
        "  --src-count N             bind to 127.0.1.1..N in turn\n"
        "  --no-quit                 close without QUIT\n"
        "  --force                   use extensions that EHLO didn't offer\n"
        "  --time-limit S            stop after S seconds (120)\n"
        "  --timeout S               a connection without progress for S seconds has failed (60)\n"
        "  --warmup S                leave the first S seconds out of rate and latency\n"
        "  --lat-file F              write every latency in microseconds, one a line\n",
        stderr);
    exit(2);
}

/* ------------------------------------------------------------------ small things */

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(1);
}

/* errors by cause: "421", "timeout", "connect:ECONNREFUSED", ... */
static struct { char name[48]; long n; } errs[64];
static int nerrs;

static void count_error(const char *name) {
    for (int i = 0; i < nerrs; i++)
        if (!strcmp(errs[i].name, name)) { errs[i].n++; return; }
    if (nerrs == (int)(sizeof errs / sizeof *errs)) { errs[nerrs - 1].n++; return; }
    snprintf(errs[nerrs].name, sizeof errs[0].name, "%s", name);
    errs[nerrs++].n = 1;
}

/* samples in microseconds; they only grow to a known bound */
struct samples { uint32_t *v; long n, cap; };

static void sample(struct samples *s, double seconds) {
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 4096;
        s->v = realloc(s->v, s->cap * sizeof *s->v);
        if (!s->v) die("out of memory");
    }
    s->v[s->n++] = seconds > 4000 ? 4000000000u : (uint32_t)(seconds * 1e6);
}

static int cmp_u32(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void print_samples(const char *name, struct samples *s) {
    static const struct { const char *n; double p; } q[] = {
        {"p50", .50}, {"p90", .90}, {"p95", .95}, {"p99", .99}, {"p999", .999}};
    printf(",\"%s\":{\"n\":%ld", name, s->n);
    if (s->n) {
        double sum = 0;
        qsort(s->v, s->n, sizeof *s->v, cmp_u32);
        for (long i = 0; i < s->n; i++) sum += s->v[i];
        printf(",\"mean\":%.3f", sum / s->n / 1e3);
        for (size_t i = 0; i < sizeof q / sizeof *q; i++) {
            long k = (long)(q[i].p * s->n);
            printf(",\"%s\":%.3f", q[i].n, s->v[k < s->n ? k : s->n - 1] / 1e3);
        }
        printf(",\"max\":%.3f", s->v[s->n - 1] / 1e3);
    }
    printf("}");
}

/* ------------------------------------------------------------------ connections */

enum state { S_FREE, S_CONNECT, S_TLS, S_BANNER, S_EHLO, S_STARTTLS, S_AUTH, S_MAIL, S_RCPT, S_DATA, S_FINAL, S_RSET, S_HOLD, S_QUIT };
static const char *state_name[] = {"free", "connect", "tls", "banner", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "final", "rset", "hold", "quit"};

struct seg { const char *p; size_t n; };

struct conn {
    int fd, done, rcpt_i, rcpt_ok, finals_left, next_free;
    enum state st;
    bool tls_on, cap_pipe, cap_chunk, cap_tls, mail_ok, group, want_w, in_msg, setup, bad, quit_sent;
    uint32_t ep;                  /* epoll events asked for */
    double t0, t_conn, t_io;      /* message start, connection start, last progress */
    double t_est;                 /* connected */
    double t_dot;                 /* when the end of the content was queued */
    size_t in_n;
    char in[4096];
    struct seg seg[6];            /* what is still to be written, in order */
    int nseg;
    size_t cmd_n;
    char cmd[1024];               /* commands of the message under way, when they fit */
    char *big;                    /* commands of a message with many recipients */
    char hdr[192];                /* per-message header lines */
#ifndef NO_TLS
    SSL *ssl;
    SSL_SESSION *sess;            /* the newest of this slot, for --resume: some servers take a ticket once only */
#endif
};

static struct conn *conns;
static int ep, active, setting_up, holding;
static long started_msgs, ok_msgs, failed_msgs, opened, conn_ok, hung;
static uint64_t bytes_out, bytes_in;
static struct samples lat, elat, clat, dlat; /* whole messages, from connect() and from connected; greetings; from the last octet to the final reply */
static double t_begin, t_measure, t_last;
static long ok_before_measure;
static bool stopping;
static long late_arrivals;
static struct sockaddr_in dst;
static char *body;
static size_t body_n, hdr_n;
static char auth_line[1024];
static char tls_info[96];
static uint64_t run_id;
#ifndef NO_TLS
static SSL_CTX *ctx;
static long resumed;
#endif

static void conn_start(struct conn *c);

static void update_events(struct conn *c) {
    uint32_t want = EPOLLIN | (c->want_w ? EPOLLOUT : 0);
    if (want == c->ep) return;
    struct epoll_event e = {.events = want, .data.ptr = c};
    if (epoll_ctl(ep, c->ep ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd, &e)) die("epoll_ctl: %s", strerror(errno));
    c->ep = want;
}

static void msg_failed(struct conn *c) {
    if (!c->in_msg) return;
    c->in_msg = false;
    failed_msgs++;
    t_last = now_s();
}

static void conn_close(struct conn *c) {
    if (c->st == S_FREE) return;
#ifndef NO_TLS
    if (c->ssl) {
        SSL_set_quiet_shutdown(c->ssl, 1);
        SSL_shutdown(c->ssl);
        SSL_free(c->ssl);
        c->ssl = NULL;
    }
#endif
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
    free(c->big);
    c->big = NULL;
    if (c->setup) { c->setup = false; setting_up--; }
    if (c->st == S_HOLD) holding--;
    c->st = S_FREE;
    active--;
}

/* the connection ends in an error: whatever of its message was under way has failed */
static void conn_fail(struct conn *c, const char *why) {
    char name[48];
    if (opt.verbose) fprintf(stderr, "conn %ld in %s: %s\n", (long)(c - conns), state_name[c->st], why);
    snprintf(name, sizeof name, "%s:%s", state_name[c->st], why);
    count_error(name);
    msg_failed(c);
    conn_close(c);
}

static void put(struct conn *c, const char *p, size_t n) {
    if (!n) return;
    if (c->nseg == (int)(sizeof c->seg / sizeof *c->seg)) die("too many segments");
    c->seg[c->nseg++] = (struct seg){p, n};
}

static void put_cmd(struct conn *c, const char *fmt, ...) {
    va_list ap;
    if (!c->nseg) c->cmd_n = 0; /* all that was in the buffer has been written */
    va_start(ap, fmt);
    int n = vsnprintf(c->cmd + c->cmd_n, sizeof c->cmd - c->cmd_n, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof c->cmd - c->cmd_n) die("command too long");
    put(c, c->cmd + c->cmd_n, n);
    c->cmd_n += n;
}

static void consume(struct conn *c, size_t n) {
    int i = 0;
    bytes_out += n;
    while (n && i < c->nseg) {
        if (n < c->seg[i].n) { c->seg[i].p += n; c->seg[i].n -= n; break; }
        n -= c->seg[i].n;
        i++;
    }
    if (i) {
        memmove(c->seg, c->seg + i, (c->nseg - i) * sizeof *c->seg);
        c->nseg -= i;
    }
}

/* Writes what is queued. false: the connection is gone. */
static bool flush(struct conn *c) {
    c->want_w = false;
    while (c->nseg) {
        ssize_t n;
#ifndef NO_TLS
        if (c->tls_on) {
            static char buf[16384]; /* one full record; the same bytes come again on a retry */
            size_t have = 0;
            for (int i = 0; i < c->nseg && have < sizeof buf; i++) {
                size_t k = c->seg[i].n < sizeof buf - have ? c->seg[i].n : sizeof buf - have;
                memcpy(buf + have, c->seg[i].p, k);
                have += k;
            }
            ERR_clear_error();
            n = SSL_write(c->ssl, buf, (int)have);
            if (n <= 0) {
                int e = SSL_get_error(c->ssl, (int)n);
                if (e == SSL_ERROR_WANT_WRITE) { c->want_w = true; break; }
                if (e == SSL_ERROR_WANT_READ) break;
                conn_fail(c, "tls-write");
                return false;
            }
            c->t_io = now_s();
            consume(c, n);
            continue;
        }
#endif
        struct iovec v[6];
        for (int i = 0; i < c->nseg; i++) v[i] = (struct iovec){(void *)c->seg[i].p, c->seg[i].n};
        struct msghdr m = {.msg_iov = v, .msg_iovlen = c->nseg};
        n = sendmsg(c->fd, &m, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EINTR) continue;
            if (errno == EAGAIN) { c->want_w = true; break; }
            /* a server that refuses and closes early has often said why: read that first */
            if (errno == EPIPE || errno == ECONNRESET) { c->nseg = 0; break; }
            conn_fail(c, strerror(errno));
            return false;
        }
        c->t_io = now_s();
        consume(c, n);
    }
    update_events(c);
    return true;
}

/* ------------------------------------------------------------------ what is said */

static void send_quit(struct conn *c) {
    if (opt.no_quit) { conn_ok++; conn_close(c); return; }
    put_cmd(c, "QUIT\r\n");
    c->st = S_QUIT;
}

static size_t rcpt_line(char *p, size_t room, int i) {
    char a[256];
    snprintf(a, sizeof a, opt.to, i);
    return snprintf(p, room, "RCPT TO:<%s>\r\n", a);
}

static void put_body(struct conn *c) {
    put(c, c->hdr, hdr_n);
    put(c, body, body_n);
}

static void put_body_dot(struct conn *c) {
    put_body(c);
    bool last = c->done + 1 >= opt.per_conn;
    c->quit_sent = opt.pipelining && c->cap_pipe && last && !opt.no_quit && !opt.lmtp;
    if (c->quit_sent) put(c, ".\r\nQUIT\r\n", 9);
    else put(c, ".\r\n", 3);
    c->t_dot = now_s();
}

/* Starts the next message of this connection, or ends the connection. */
static void next_message(struct conn *c) {
    if (opt.hs_only) { ok_msgs++; t_last = now_s(); sample(&lat, t_last - c->t_conn); c->in_msg = false; send_quit(c); return; }
    if (opt.idle_s > 0) {
        ok_msgs++;
        t_last = now_s();
        sample(&lat, t_last - c->t_conn);
        c->in_msg = false;
        c->st = S_HOLD;
        holding++;
        return;
    }
    if (c->done >= opt.per_conn || stopping || (!c->in_msg && started_msgs >= opt.messages)) { send_quit(c); return; }
    if (!c->in_msg) {           /* the first message was begun with the connection */
        started_msgs++;
        c->in_msg = true;
        c->t0 = now_s();
    }
    c->rcpt_i = c->rcpt_ok = 0;
    c->mail_ok = false;
    c->bad = false;
    c->quit_sent = false;
    int n = opt.message ? 0 : snprintf(c->hdr, sizeof c->hdr, "Message-ID: <%016llx.%08lx.%06d@load.example>\r\n",
                     (unsigned long long)run_id, opened, c->done);
    if (n != (int)hdr_n) die("header length");
    bool chunk = opt.chunking && c->cap_chunk;
    c->group = opt.pipelining && c->cap_pipe;
    c->st = S_MAIL;
    if (!c->group) {
        put_cmd(c, "MAIL FROM:<%s>\r\n", opt.from);
        return;
    }
    size_t room = 512 + (size_t)opt.rcpts * 300;
    char *p = c->cmd;
    if (c->nseg) die("pending output");
    if (room > sizeof c->cmd) {
        if (!c->big && !(c->big = malloc(room))) die("out of memory");
        p = c->big;
    }
    else room = sizeof c->cmd;
    size_t k = snprintf(p, room, "MAIL FROM:<%s>\r\n", opt.from);
    for (int i = 0; i < opt.rcpts; i++) k += rcpt_line(p + k, room - k, i);
    if (chunk) k += snprintf(p + k, room - k, "BDAT %zu LAST\r\n", hdr_n + body_n);
    else k += snprintf(p + k, room - k, "DATA\r\n");
    c->cmd_n = p == c->cmd ? k : 0;
    put(c, p, k);
    if (chunk) put_body(c);
}

static void message_done(struct conn *c, bool ok) {
    double t = now_s();
    c->in_msg = false;
    c->done++;
    t_last = t;
    if (ok) {
        ok_msgs++;
        if (t >= t_measure) {
            sample(&lat, t - c->t0);
            if (c->done == 1 && c->t_est > 0) sample(&elat, t - c->t_est);
            if (c->t_dot > 0) sample(&dlat, t - c->t_dot);
        }
        else ok_before_measure++;
    } else failed_msgs++;
    if (c->quit_sent) { c->st = S_QUIT; return; }
    if (!ok) { put_cmd(c, "RSET\r\n"); c->st = S_RSET; return; }
    next_message(c);
}

static void setup_done(struct conn *c) {
    if (c->setup) { c->setup = false; setting_up--; }
    next_message(c);
}

static void send_ehlo(struct conn *c) {
    c->cap_pipe = c->cap_chunk = c->cap_tls = opt.force;
    put_cmd(c, "%s %s\r\n", opt.lmtp ? "LHLO" : "EHLO", opt.helo);
    c->st = S_EHLO;
}

#ifndef NO_TLS
static void tls_start(struct conn *c) {
    c->ssl = SSL_new(ctx);
    if (!c->ssl || !SSL_set_fd(c->ssl, c->fd)) die("SSL_new");
    SSL_set_connect_state(c->ssl);
    SSL_set_tlsext_host_name(c->ssl, "mail.example");
    SSL_set_app_data(c->ssl, c);
    if (opt.resume && c->sess) {
        SSL_SESSION *copy = SSL_SESSION_dup(c->sess); /* OpenSSL spends the one it is given; not all servers send a new one */
        if (!copy || !SSL_set_session(c->ssl, copy)) die("SSL_set_session");
        SSL_SESSION_free(copy);
    }
    c->st = S_TLS;
}

/* false: the connection is gone */
static bool tls_step(struct conn *c) {
    ERR_clear_error();
    int r = SSL_do_handshake(c->ssl);
    if (r == 1) {
        c->tls_on = true;
        c->t_io = now_s();
        c->want_w = false;
        if (SSL_session_reused(c->ssl)) resumed++;
        if (!tls_info[0]) snprintf(tls_info, sizeof tls_info, "%s %s", SSL_get_version(c->ssl), SSL_get_cipher(c->ssl));
        if (opt.tls_wrap) c->st = S_BANNER;
        else send_ehlo(c);
        return flush(c);
    }
    int e = SSL_get_error(c->ssl, r);
    c->want_w = e == SSL_ERROR_WANT_WRITE;
    if (e != SSL_ERROR_WANT_WRITE && e != SSL_ERROR_WANT_READ) {
        const char *why = ERR_reason_error_string(ERR_peek_error());
        conn_fail(c, why ? why : "handshake");
        return false;
    }
    update_events(c);
    return true;
}

static int on_session(SSL *ssl, SSL_SESSION *s) {
    struct conn *c = SSL_get_app_data(ssl);
    if (c->sess) SSL_SESSION_free(c->sess);
    c->sess = s;
    return 1;
}
#endif

/* ------------------------------------------------------------------ what is heard */

static void ehlo_line(struct conn *c, const char *l, size_t n) {
    if (n >= 14 && !strncasecmp(l + 4, "PIPELINING", 10)) c->cap_pipe = true;
    if (n >= 12 && !strncasecmp(l + 4, "CHUNKING", 8)) c->cap_chunk = true;
    if (n >= 12 && !strncasecmp(l + 4, "STARTTLS", 8)) c->cap_tls = true;
}

static void bad_reply(struct conn *c, int code) {
    char name[48];
    snprintf(name, sizeof name, "%s:%d", state_name[c->st], code);
    count_error(name);
}

/* One complete reply. false: the connection is gone. */
static bool on_reply(struct conn *c, int code) {
    bool good = code >= 200 && code < 400;
    if (!good && c->st != S_QUIT) {
        bad_reply(c, code);
        if (code == 421) { msg_failed(c); conn_close(c); return false; }
    }
    switch (c->st) {
    case S_BANNER:
        sample(&clat, now_s() - c->t_conn);
        if (!good) { msg_failed(c); conn_close(c); return false; }
        send_ehlo(c);
        return flush(c);
    case S_EHLO:
        if (!good) { msg_failed(c); conn_close(c); return false; }
        if (opt.starttls && !c->tls_on) {
            if (!c->cap_tls) { conn_fail(c, "no-STARTTLS"); return false; }
            put_cmd(c, "STARTTLS\r\n");
            c->st = S_STARTTLS;
        } else if (opt.auth) {
            put_cmd(c, "%s", auth_line);
            c->st = S_AUTH;
        } else setup_done(c);
        break;
    case S_STARTTLS:
#ifndef NO_TLS
        if (!good) { msg_failed(c); conn_close(c); return false; }
        if (c->in_n) { conn_fail(c, "plaintext-after-STARTTLS"); return false; }
        tls_start(c);
        return tls_step(c);
#else
        break;
#endif
    case S_AUTH:
        if (!good) { msg_failed(c); conn_close(c); return false; }
        setup_done(c);
        break;
    case S_MAIL:
        c->mail_ok = good;
        if (!good && !c->group) { message_done(c, false); break; }
        c->st = S_RCPT;
        if (!c->group) {
            char l[300];
            rcpt_line(l, sizeof l, 0);
            put_cmd(c, "%s", l);
        }
        break;
    case S_RCPT:
        c->rcpt_i++;
        if (good) c->rcpt_ok++;
        else c->bad = true;
        if (c->rcpt_i < opt.rcpts) {
            if (!c->group) {
                char l[300];
                rcpt_line(l, sizeof l, c->rcpt_i);
                put_cmd(c, "%s", l);
            }
            break;
        }
        if (opt.chunking && c->cap_chunk) {
            c->finals_left = opt.lmtp ? c->rcpt_ok : 1;
            c->st = S_FINAL;
            if (!c->group) {
                if (!c->rcpt_ok) { message_done(c, false); break; }
                put_cmd(c, "BDAT %zu LAST\r\n", hdr_n + body_n);
                put_body(c);
            }
            break;
        }
        c->st = S_DATA;
        if (!c->group) {
            if (!c->rcpt_ok) { message_done(c, false); break; }
            put_cmd(c, "DATA\r\n");
        }
        break;
    case S_DATA:
        if (code != 354) { c->bad = true; message_done(c, false); break; }
        c->st = S_FINAL;
        c->finals_left = opt.lmtp ? c->rcpt_ok : 1;
        if (!c->rcpt_ok || !c->mail_ok) { c->bad = true; put(c, ".\r\n", 3); if (!c->finals_left) c->finals_left = 1; }
        else put_body_dot(c);
        break;
    case S_FINAL:
        if (!good) c->bad = true;
        if (--c->finals_left > 0) break;
        message_done(c, !c->bad);
        break;
    case S_RSET:
        next_message(c);
        break;
    case S_QUIT:
        conn_ok++;
        conn_close(c);
        return false;
    case S_HOLD:
        conn_fail(c, "unasked-reply");
        return false;
    default:
        conn_fail(c, "unexpected-reply");
        return false;
    }
    if (c->st == S_FREE) return false;
    return c->nseg ? flush(c) : true;
}

/* false: the connection is gone */
static bool parse(struct conn *c) {
    size_t off = 0;
    for (;;) {
        char *nl = memchr(c->in + off, '\n', c->in_n - off);
        if (!nl) break;
        size_t n = nl - (c->in + off) + 1;
        const char *l = c->in + off;
        if (n < 5 || l[0] < '2' || l[0] > '5' || l[1] < '0' || l[1] > '9' || l[2] < '0' || l[2] > '9' ||
            (l[3] != ' ' && l[3] != '-' && l[3] != '\r')) {
            conn_fail(c, "malformed-reply");
            return false;
        }
        if (c->st == S_EHLO) ehlo_line(c, l, n);
        int code = (l[0] - '0') * 100 + (l[1] - '0') * 10 + (l[2] - '0');
        bool last = l[3] != '-';
        off += n;
        if (!last) continue;
        /* on_reply sees in_n as what is left after this reply */
        memmove(c->in, c->in + off, c->in_n - off);
        c->in_n -= off;
        off = 0;
        if (!on_reply(c, code)) return false;
    }
    if (off) {
        memmove(c->in, c->in + off, c->in_n - off);
        c->in_n -= off;
    }
    if (c->in_n == sizeof c->in) { conn_fail(c, "reply-too-long"); return false; }
    return true;
}

static void on_readable(struct conn *c) {
    for (;;) {
        ssize_t n;
#ifndef NO_TLS
        if (c->st == S_TLS) { if (!tls_step(c) || c->st == S_TLS) return; }
        if (c->tls_on) {
            ERR_clear_error();
            n = SSL_read(c->ssl, c->in + c->in_n, (int)(sizeof c->in - c->in_n));
            if (n <= 0) {
                int e = SSL_get_error(c->ssl, (int)n);
                if (e == SSL_ERROR_WANT_READ) return;
                if (e == SSL_ERROR_WANT_WRITE) { c->want_w = true; update_events(c); return; }
                if (c->st == S_QUIT) { conn_ok++; conn_close(c); }
                else conn_fail(c, "eof");
                return;
            }
        } else
#endif
        {
            size_t room = sizeof c->in - c->in_n;
            n = recv(c->fd, c->in + c->in_n, room, 0);
            if (n < 0 && errno == EINTR) continue;
            if (n < 0 && errno == EAGAIN) return;
            if (n <= 0) {
                if (c->st == S_QUIT) { conn_ok++; conn_close(c); }
                else conn_fail(c, n ? "reset" : "eof");
                return;
            }
            c->t_io = now_s();
            bytes_in += n;
            bool all = (size_t)n < room; /* a short read emptied the socket */
            c->in_n += n;
            if (!parse(c)) return;
            if (all && !c->tls_on && c->st != S_TLS) return;
            continue;
        }
        c->t_io = now_s();
        bytes_in += n;
        c->in_n += n;
        if (!parse(c)) return;
    }
}

static void on_event(struct conn *c, uint32_t ev) {
    if (c->st == S_FREE) return;
    if (c->st == S_CONNECT) {
        int e = 0;
        socklen_t l = sizeof e;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &e, &l);
        if (e) { conn_fail(c, strerror(e)); return; }
        if (!(ev & (EPOLLIN | EPOLLOUT))) return;
        c->t_io = c->t_est = now_s();
        c->want_w = false;
        c->st = S_BANNER;
        if (opt.proxy) {
            put_cmd(c, "PROXY TCP4 %s 127.0.0.1 %d %d\r\n", opt.proxy, 1024 + (int)(opened % 60000), opt.port);
            if (!flush(c)) return;
        }
#ifndef NO_TLS
        if (opt.tls_wrap) { tls_start(c); tls_step(c); return; }
#endif
        update_events(c);
        if (!(ev & EPOLLIN)) return;
    }
#ifndef NO_TLS
    if (c->st == S_TLS) { if (!tls_step(c) || c->st == S_TLS) return; on_readable(c); return; }
#endif
    if (ev & EPOLLOUT) { if (!flush(c)) return; }
    if (ev & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_readable(c);
}

static void conn_start(struct conn *c) {
    static int src;
    char *big = c->big;
    int one = 1;
    memset(c, 0, offsetof(struct conn, in));
    c->nseg = 0;
    c->cmd_n = 0;
    c->big = big;
#ifndef NO_TLS
    c->ssl = NULL;
#endif
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) die("socket: %s", strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (opt.src_count > 0) {
        struct sockaddr_in a = {.sin_family = AF_INET};
        a.sin_addr.s_addr = htonl(0x7f000100u + 1 + src++ % opt.src_count);
        setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        if (bind(c->fd, (struct sockaddr *)&a, sizeof a)) die("bind: %s", strerror(errno));
    }
    opened++;
    active++;
    setting_up++;
    started_msgs++;
    c->setup = true;
    c->in_msg = true;
    c->st = S_CONNECT;
    c->t0 = c->t_conn = c->t_io = now_s();
    int r = connect(c->fd, (struct sockaddr *)&dst, sizeof dst);
    if (r && errno != EINPROGRESS) { conn_fail(c, strerror(errno)); return; }
    c->want_w = opt.tls_wrap || opt.proxy || opt.rate > 0; /* the server speaks first: its banner tells that we are connected */
    update_events(c);
}

/* ------------------------------------------------------------------ the message */

static void make_body(void) {
    char h[192];
    hdr_n = snprintf(h, sizeof h, "Message-ID: <%016llx.%08lx.%06d@load.example>\r\n", 0ull, 0l, 0);
    char head[512];
    int hn = snprintf(head, sizeof head,
        "From: Sender <%s>\r\nTo: Recipient <rcpt@sink.example>\r\nSubject: load test message\r\n"
        "Date: Mon, 01 Jan 2024 00:00:00 +0000\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=us-ascii\r\n\r\n", opt.from);
    size_t want = opt.size > (long)hdr_n + hn + 2 ? opt.size - hdr_n : (size_t)hn + 2;
    body = malloc(want + 128);
    if (!body) die("out of memory");
    memcpy(body, head, hn);
    size_t n = hn;
    static const char text[] = "The quick brown fox jumps over the lazy dog 0123456789 and does it all again. ";
    for (int line = 0; n < want; line++) {
        size_t left = want - n;
        size_t len = left >= 78 + 3 ? 78 : left > 2 ? left : 2; /* with CRLF; no last line of 1 or 2 bytes */
        if (left > 78 && left < 78 + 3) len = left - 40;
        size_t i = 0;
        if (opt.dots && line % 4 == 3 && len > 4) { body[n++] = '.'; body[n++] = '.'; i = 2; }
        for (; i < len - 2; i++) body[n++] = text[(i + line * 7) % (sizeof text - 1)];
        body[n++] = '\r';
        body[n++] = '\n';
    }
    /* a line must not begin with a dot by accident: the text holds one at the end of its sentence */
    if (!opt.dots)
        for (size_t i = hn; i + 1 < n; i++)
            if (body[i] == '\n' && body[i + 1] == '.') body[i + 1] = 'x';
    body_n = n;
}

/* The content as it stands in a file; hdr_n stays 0. */
static void read_body(void) {
    FILE *f = fopen(opt.message, "rb");
    if (!f || fseek(f, 0, SEEK_END)) die("%s: %s", opt.message, strerror(errno));
    long size = ftell(f);
    char *raw = malloc(size + 1);
    body = malloc(size * 2 + 3);
    if (!raw || !body) die("out of memory");
    rewind(f);
    if (fread(raw, 1, size, f) != (size_t)size) die("%s: cannot be read", opt.message);
    fclose(f);
    for (long i = 0; i < size; i++) {
        if (raw[i] == '.' && (i == 0 || raw[i - 1] == '\n')) body[body_n++] = '.';
        body[body_n++] = raw[i];
    }
    if (size < 2 || raw[size - 1] != '\n') { body[body_n++] = '\r'; body[body_n++] = '\n'; }
    free(raw);
}

static void make_auth(void) {
    static const char b64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char raw[512];
    const char *colon = strchr(opt.auth, ':');
    if (!colon || strlen(opt.auth) > 400) usage();
    size_t u = colon - opt.auth, p = strlen(colon + 1), n = 0, k;
    raw[n++] = 0;
    memcpy(raw + n, opt.auth, u); n += u;
    raw[n++] = 0;
    memcpy(raw + n, colon + 1, p); n += p;
    k = sprintf(auth_line, "AUTH PLAIN ");
    for (size_t i = 0; i < n; i += 3) {
        unsigned v = raw[i] << 16 | (i + 1 < n ? raw[i + 1] << 8 : 0) | (i + 2 < n ? raw[i + 2] : 0);
        auth_line[k++] = b64[v >> 18];
        auth_line[k++] = b64[v >> 12 & 63];
        auth_line[k++] = i + 1 < n ? b64[v >> 6 & 63] : '=';
        auth_line[k++] = i + 2 < n ? b64[v & 63] : '=';
    }
    strcpy(auth_line + k, "\r\n");
}

/* ------------------------------------------------------------------ main */

enum { O_HOST = 1000, O_PORT, O_CONNS, O_MESSAGES, O_PERCONN, O_SIZE, O_RCPTS, O_PIPE, O_CHUNK, O_STARTTLS, O_TLS, O_RESUME,
       O_TLSMIN, O_GROUPS, O_AUTH, O_HS, O_IDLE, O_RAMP, O_FROM, O_TO, O_HELO, O_LMTP, O_DOTS, O_SRC, O_NOQUIT, O_FORCE,
       O_LIMIT, O_TIMEOUT, O_WARMUP, O_RATE, O_LATFILE, O_VERBOSE, O_MESSAGE, O_PROXY };

static const struct option longopts[] = {
    {"host", 1, 0, O_HOST}, {"port", 1, 0, O_PORT}, {"conns", 1, 0, O_CONNS}, {"messages", 1, 0, O_MESSAGES},
    {"per-conn", 1, 0, O_PERCONN}, {"size", 1, 0, O_SIZE}, {"rcpts", 1, 0, O_RCPTS}, {"pipelining", 0, 0, O_PIPE},
    {"chunking", 0, 0, O_CHUNK}, {"starttls", 0, 0, O_STARTTLS}, {"tls", 0, 0, O_TLS}, {"resume", 0, 0, O_RESUME},
    {"tls-min", 1, 0, O_TLSMIN}, {"groups", 1, 0, O_GROUPS}, {"auth-plain", 1, 0, O_AUTH}, {"handshake-only", 0, 0, O_HS},
    {"idle", 1, 0, O_IDLE}, {"ramp", 1, 0, O_RAMP}, {"from", 1, 0, O_FROM}, {"to", 1, 0, O_TO}, {"helo", 1, 0, O_HELO},
    {"lmtp", 0, 0, O_LMTP}, {"dots", 0, 0, O_DOTS}, {"src-count", 1, 0, O_SRC}, {"no-quit", 0, 0, O_NOQUIT},
    {"force", 0, 0, O_FORCE}, {"time-limit", 1, 0, O_LIMIT}, {"timeout", 1, 0, O_TIMEOUT}, {"warmup", 1, 0, O_WARMUP}, {"rate", 1, 0, O_RATE},
    {"lat-file", 1, 0, O_LATFILE}, {"verbose", 0, 0, O_VERBOSE},
    {"message", 1, 0, O_MESSAGE}, {"proxy", 1, 0, O_PROXY}, {0, 0, 0, 0}};

int main(int argc, char **argv) {
    int o;
    while ((o = getopt_long(argc, argv, "", longopts, NULL)) != -1) switch (o) {
        case O_HOST: opt.host = optarg; break;
        case O_PORT: opt.port = atoi(optarg); break;
        case O_CONNS: opt.conns = atoi(optarg); break;
        case O_MESSAGES: opt.messages = atol(optarg); break;
        case O_PERCONN: opt.per_conn = atoi(optarg); break;
        case O_SIZE: opt.size = atol(optarg); break;
        case O_RCPTS: opt.rcpts = atoi(optarg); break;
        case O_PIPE: opt.pipelining = true; break;
        case O_CHUNK: opt.chunking = true; break;
        case O_STARTTLS: opt.starttls = true; break;
        case O_TLS: opt.tls_wrap = true; break;
        case O_RESUME: opt.resume = true; break;
        case O_TLSMIN: opt.tls_min = optarg; break;
        case O_GROUPS: opt.groups = optarg; break;
        case O_AUTH: opt.auth = optarg; break;
        case O_HS: opt.hs_only = true; break;
        case O_IDLE: opt.idle_s = atof(optarg); break;
        case O_RAMP: opt.ramp = atoi(optarg); break;
        case O_FROM: opt.from = optarg; break;
        case O_TO: opt.to = optarg; break;
        case O_HELO: opt.helo = optarg; break;
        case O_LMTP: opt.lmtp = true; break;
        case O_DOTS: opt.dots = true; break;
        case O_SRC: opt.src_count = atoi(optarg); break;
        case O_NOQUIT: opt.no_quit = true; break;
        case O_FORCE: opt.force = true; break;
        case O_LIMIT: opt.time_limit = atof(optarg); break;
        case O_TIMEOUT: opt.io_timeout = atof(optarg); break;
        case O_WARMUP: opt.warmup_s = atof(optarg); break;
        case O_RATE: opt.rate = atof(optarg); break;
        case O_LATFILE: opt.lat_file = optarg; break;
        case O_VERBOSE: opt.verbose = true; break;
        case O_MESSAGE: opt.message = optarg; break;
        case O_PROXY: opt.proxy = optarg; break;
        default: usage();
    }
    if (optind != argc || opt.conns < 1 || opt.messages < 1 || opt.per_conn < 1 || opt.rcpts < 1 || opt.ramp < 1 ||
        strlen(opt.to) > 200 || strlen(opt.from) > 200) usage();
    for (const char *p = strchr(opt.to, '%'); p; p = strchr(p + 2, '%'))
        if (p[1] != 'd' || p != strchr(opt.to, '%')) usage(); /* one %d and nothing else */
    if (opt.hs_only) opt.per_conn = 1;
    if (opt.idle_s > 0) { opt.per_conn = 1; opt.messages = opt.conns; }
    if (opt.conns > opt.messages) opt.conns = (int)opt.messages;

    signal(SIGPIPE, SIG_IGN);
    struct rlimit rl;
    getrlimit(RLIMIT_NOFILE, &rl);
    rl.rlim_cur = rl.rlim_max;
    setrlimit(RLIMIT_NOFILE, &rl);

    struct addrinfo hint = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *ai;
    if (getaddrinfo(opt.host, NULL, &hint, &ai)) die("unknown host %s", opt.host);
    dst = *(struct sockaddr_in *)ai->ai_addr;
    dst.sin_port = htons(opt.port);
    freeaddrinfo(ai);

#ifndef NO_TLS
    if (opt.starttls || opt.tls_wrap) {
        ctx = SSL_CTX_new(TLS_client_method());
        if (!ctx) die("SSL_CTX_new");
        SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
        SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
        if (opt.tls_min) SSL_CTX_set_min_proto_version(ctx, strcmp(opt.tls_min, "1.3") ? TLS1_2_VERSION : TLS1_3_VERSION);
        if (opt.groups && !SSL_CTX_set1_groups_list(ctx, opt.groups)) die("unknown groups %s", opt.groups);
        if (opt.resume) {
            SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
            SSL_CTX_sess_set_new_cb(ctx, on_session);
        }
    }
#else
    if (opt.starttls || opt.tls_wrap) die("built without TLS");
#endif
    run_id = (uint64_t)time(NULL) << 24 ^ (uint64_t)getpid();
    if (opt.message) read_body();
    else make_body();
    if (opt.auth) make_auth();
    conns = calloc(opt.conns, sizeof *conns);
    ep = epoll_create1(EPOLL_CLOEXEC);
    if (!conns || ep < 0) die("setup: %s", strerror(errno));
    for (int i = 0; i < opt.conns; i++) conns[i].fd = -1;

    t_begin = t_last = now_s();
    t_measure = t_begin + opt.warmup_s;
    double next_scan = t_begin + 1, hold_until = 0, retry_at = 0;
    struct epoll_event ev[512];
    bool quitting = false;
    int cursor = 0;
    double arrived = 0;
    for (;;) {
        double t = now_s();
        /* free slots take up new connections; after refusals with a pause, so that they don't spin */
        long failed_before = failed_msgs;
        if (opt.rate > 0) {
            /* those that are due by now; a burst of at most a tenth of a second, so that a late loop here is no flood */
            double due = (t - t_begin) * opt.rate;
            if (due - arrived > opt.rate / 10) { late_arrivals += (long)(due - arrived - opt.rate / 10); arrived = due - opt.rate / 10; }
            for (; !stopping && arrived + 1 <= due && started_msgs < opt.messages; arrived += 1) {
                int k = 0;
                while (k < opt.conns && conns[cursor].st != S_FREE) { cursor = (cursor + 1) % opt.conns; if (++k > 64) break; }
                if (active >= opt.conns || conns[cursor].st != S_FREE) { count_error("no-slot"); started_msgs++; failed_msgs++; continue; }
                struct conn *c = &conns[cursor];
                cursor = (cursor + 1) % opt.conns;
                conn_start(c);
            }
        }
        else for (int k = 0; !stopping && t >= retry_at && k < opt.conns && started_msgs < opt.messages && active < opt.conns && setting_up < opt.ramp; k++) {
            struct conn *c = &conns[cursor];
            cursor = (cursor + 1) % opt.conns;
            if (c->st == S_FREE) conn_start(c);
        }
        if (failed_msgs > failed_before && opt.rate <= 0) retry_at = t + 0.01;
        if (opt.idle_s > 0 && !hold_until && started_msgs >= opt.messages && !setting_up) {
            hold_until = t + opt.idle_s;
            printf("{\"tool\":\"smtpload\",\"holding\":%d,\"failed\":%ld,\"setup_s\":%.3f}\n", holding, failed_msgs, t - t_begin);
            fflush(stdout);
        }
        if (hold_until && t >= hold_until && !quitting) {
            quitting = true;
            for (int i = 0; i < opt.conns; i++)
                if (conns[i].st == S_HOLD) { holding--; conns[i].st = S_MAIL; send_quit(&conns[i]); if (conns[i].st != S_FREE) flush(&conns[i]); }
        }
        if (!active && (stopping || started_msgs >= opt.messages)) break;
        if (t - t_begin > opt.time_limit && !stopping) {
            stopping = true;
            count_error("time-limit");
        }
        if (stopping && t - t_begin > opt.time_limit + 5) break;
        if (t >= next_scan) {
            next_scan = t + 1;
            for (int i = 0; i < opt.conns; i++)
                if (conns[i].st != S_FREE && conns[i].st != S_HOLD && t - conns[i].t_io > opt.io_timeout) { hung++; conn_fail(&conns[i], "timeout"); }
        }
        int n = epoll_wait(ep, ev, sizeof ev / sizeof *ev, opt.rate > 0 && !stopping ? 1 : active && t >= retry_at ? 250 : 10);
        for (int i = 0; i < n; i++) on_event(ev[i].data.ptr, ev[i].events);
    }

    struct rusage ru;
    getrusage(RUSAGE_SELF, &ru);
    double span = t_last - t_measure;
    double rate = span > 0 ? (ok_msgs - ok_before_measure) / span : 0;
    printf("{\"tool\":\"smtpload\",\"port\":%d,\"conns\":%d,\"per_conn\":%d,\"size\":%zu,\"rcpts\":%d,\"pipelining\":%s,\"chunking\":%s,\"tls\":\"%s\"",
           opt.port, opt.conns, opt.per_conn, hdr_n + body_n, opt.rcpts, opt.pipelining ? "true" : "false", opt.chunking ? "true" : "false", tls_info);
    printf(",\"ok\":%ld,\"failed\":%ld,\"conns_opened\":%ld,\"conns_clean\":%ld,\"hung\":%ld,\"elapsed_s\":%.4f,\"t_begin\":%.6f,\"t_last\":%.6f,\"msgs_s\":%.1f", ok_msgs, failed_msgs, opened, conn_ok, hung, t_last - t_begin, t_begin, t_last, rate);
    printf(",\"mb_s\":%.2f,\"bytes_out\":%llu,\"bytes_in\":%llu", span > 0 ? bytes_out / span / 1e6 : 0, (unsigned long long)bytes_out, (unsigned long long)bytes_in);
#ifndef NO_TLS
    if (ctx) printf(",\"resumed\":%ld", resumed);
#endif
    if (opt.lat_file) {
        FILE *f = fopen(opt.lat_file, "w");
        if (!f) die("%s: %s", opt.lat_file, strerror(errno));
        for (long i = 0; i < lat.n; i++) fprintf(f, "%u\n", lat.v[i]);
        fclose(f);
    }
    print_samples("lat_ms", &lat);
    print_samples("banner_ms", &clat);
    print_samples("connected_ms", &elat);
    print_samples("dot_ms", &dlat);
    printf(",\"errors\":{");
    for (int i = 0; i < nerrs; i++) {
        printf("%s\"", i ? "," : "");
        for (char *p = errs[i].name; *p; p++) if (*p >= ' ' && *p != '"' && *p != '\\') putchar(*p);
        printf("\":%ld", errs[i].n);
    }
    printf("},\"late_arrivals\":%ld,\"cpu_user_s\":%.3f,\"cpu_sys_s\":%.3f}\n", late_arrivals, ru.ru_utime.tv_sec + ru.ru_utime.tv_usec / 1e6, ru.ru_stime.tv_sec + ru.ru_stime.tv_usec / 1e6);
    return failed_msgs || ok_msgs == 0 ? 3 : 0;
}
