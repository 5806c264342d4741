#ifndef WF_IO_SAMPLER_H
#define WF_IO_SAMPLER_H

/* A thread that looks after another one: it calls look() every now and then, and can interrupt the
 * watched thread where it is and note its C stack.
 *
 *        sampler's thread                      watched thread
 *        look(): something is wrong
 *        interrupt ──── real-time signal ────> note(), frames
 *        report  <───── semaphore ──────────── back to what it did
 *
 * The signal's handler runs on the thread's alternate stack (alternate.h), because those of tasks
 * are small. Once put up it stays for the life of the process: a signal may be under way when the
 * sampler ends. Calls of the watched thread that are not restarted after a signal (nanosleep, poll)
 * end early with EINTR. */

#include <stdbool.h>
#include <stdint.h>

#define WF_SAMPLER_FRAMES 32

struct wf_sampler;

struct wf_sampler_options {
    /* On the sampler's thread, at least `period` apart: when to look again, in ns. */
    int64_t (*look)(void *context, struct wf_sampler *sampler);
    /* On the watched thread, in the signal handler: false when there is nothing to see any more. */
    bool (*note)(void *context);
    void *context;
    int64_t period;
};

/* Where the watched thread was: addresses, innermost first. */
struct wf_sample {
    void *frames[WF_SAMPLER_FRAMES];
    unsigned count;
};

/* Watch the calling thread. Errors: -ENOMEM, -EAGAIN: no thread, no signal that is free. */
int wf_sampler_start(struct wf_sampler **sampler, const struct wf_sampler_options *options);

/* By the watched thread. Joins; look() is not called any more. NULL is allowed. */
void wf_sampler_stop(struct wf_sampler *sampler);

/* By look(): interrupt the watched thread. 1; 0: note() said no. Errors: -ETIMEDOUT: it does not
 * take signals. */
int wf_sampler_interrupt(struct wf_sampler *sampler, struct wf_sample *sample);

/* How long the watched thread was ready to run and had no processor, ever, in ns: exact whenever it
 * has one. 0 where the kernel does not say. */
int64_t wf_sampler_waited(const struct wf_sampler *sampler);

/* Let the calling thread, which blocks all signals, be interrupted. */
void wf_sampler_admit(void);

/* An address in words: "function+0x12 (file)", or "file+0x1234". Returns text. */
const char *wf_sampler_describe(void *address, char *text, unsigned size);

#endif
