/* The exception handler: who hears of a failure that no caller waits for.
 *
 *     callback, background task, unread result ──> handler ── fails ──> the default one, of both
 *                                                     │
 *                        NULL, or it runs already ────┴──> the default one: a line on the log
 *
 * The handler is user code in the middle of the library's: it runs outside tasks, as a `.drop`
 * does, on whatever stack the failure was found. Runtime reports (misuse, slow steps) are not
 * failures of the program's work and stay on the log. */

#include "core/exception.h"

#include "core/loop.h"

#include <stdarg.h>
#include <stdio.h>
#include <weft/error.h>
#include <weft/log.h>

/* One call of a handler. */
struct call {
    weft_loop *loop;
    const weft_exception *exception;
    struct call *outer; /* of another loop's */
    int error;          /* it has failed */
    char text[128];
};

static _Thread_local struct call *running; /* the innermost; NULL */

int weft_loop_default_exception_handler(weft_loop *loop, const weft_exception *e)
{
    (void)loop;
    bool has_error = e->error != 0, has_code = has_error && (e->task || e->future);
    weft_log(WEFT_LOG_APPLICATION, WEFT_LOG_ERROR, "%s%s%s%s%s%s%s%s%s%s%s%s%s",
             e->message ? e->message : "failure", has_error ? ": " : "",
             has_error ? weft_error_text(e->error) : "", has_code ? " (" : "",
             has_code ? weft_error_name(e->error) : "", has_code ? ")" : "", e->text ? ": " : "",
             e->text ? e->text : "", e->site ? "; " : "", e->site && e->made ? e->made : "",
             e->site ? " at " : "", e->site ? e->site : "", e->scopes ? e->scopes : "");
    return 0;
}

static void report_failed(const struct call *call)
{
    weft_exception failed = { .message = "unhandled error in exception handler",
                              .error = call->error,
                              .text = call->text[0] ? call->text : NULL,
                              .size = sizeof failed };
    weft_loop_default_exception_handler(call->loop, &failed);
    weft_loop_default_exception_handler(call->loop, call->exception);
}

static void run_handler(void *arg)
{
    struct call *call = arg;
    struct wf_exception_handler *handler = &call->loop->exception_handler;
    int result = handler->fn(call->loop, call->exception, handler->context);
    if (result < 0 && call->error == 0)
        call->error = result;
}

/* The failed task's while it ends, else those of who finds out. */
static struct wf_locals *locals_of(const weft_loop *loop, const weft_exception *exception)
{
    return exception->task ? exception->task->locals : loop->current->locals;
}

static void tell(weft_loop *loop, const weft_exception *exception)
{
    struct wf_exception_handler *handler = &loop->exception_handler;
    if (!handler->fn || handler->busy) {
        weft_loop_default_exception_handler(loop, exception);
        return;
    }
    struct call call = { .loop = loop, .exception = exception, .outer = running };
    struct wf_locals *around = wf_locals_enter(loop, wf_locals_retain(locals_of(loop, exception)));
    running = &call;
    handler->busy = true;
    wf_drop(wf_running, run_handler, &call);
    wf_locals_leave(loop, around);
    handler->busy = false;
    running = call.outer;
    if (call.error < 0)
        report_failed(&call);
}

void wf_exception_raise(weft_loop *loop, weft_exception *exception, const char *format, ...)
{
    char message[160];
    va_list list;
    va_start(list, format);
    vsnprintf(message, sizeof message, format, list);
    va_end(list);
    exception->message = message;
    exception->size = sizeof *exception;
    tell(loop, exception);
}

/* A task runs again only after the handler has returned, so that outside tasks it is the handler's
 * own code, or a drop it has caused. */
bool wf_exception_handler_failed(int err, const char *text)
{
    struct call *call = running;
    if (!call || wf_in_task(wf_running))
        return false;
    call->error = err < 0 ? err : -EINVAL;
    snprintf(call->text, sizeof call->text, "%s", text ? text : "");
    return true;
}

/* The public side. */

static bool is_ours(const weft_loop *loop)
{
    if (loop->thread == wf_this_thread())
        return true;
    wf_misuse(WEFT_ETHREAD, "a loop's exception handler was used by another thread than its own");
    return false;
}

void weft_loop_set_exception_handler(weft_loop *loop, weft_exception_handler *fn, void *context)
{
    if (!is_ours(loop))
        return;
    loop->exception_handler.fn = fn;
    loop->exception_handler.context = context;
}

void weft_loop_call_exception_handler(weft_loop *loop, const weft_exception *exception)
{
    if (is_ours(loop))
        tell(loop, exception);
}
