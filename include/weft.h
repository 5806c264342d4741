#ifndef WEFT_H
#define WEFT_H

/* weft: full-stack asynchronous C. The runtime; protocols have headers of their own. */

#include <weft/arena.h>
#include <weft/await.h>
#include <weft/barrier.h>
#include <weft/blocking.h>
#include <weft/broadcast.h>
#include <weft/buffer.h>
#include <weft/channel.h>
#include <weft/condition.h>
#include <weft/coro.h>
#include <weft/define.h>
#include <weft/directory.h>
#include <weft/error.h>
#include <weft/event.h>
#include <weft/exception.h>
#include <weft/file.h>
#include <weft/future.h>
#include <weft/generator.h>
#include <weft/inspect.h>
#include <weft/interval.h>
#include <weft/line.h>
#include <weft/local.h>
#include <weft/log.h>
#include <weft/loop.h>
#include <weft/mailbox.h>
#include <weft/memory.h>
#include <weft/mutex.h>
#include <weft/once.h>
#include <weft/queue.h>
#include <weft/remote.h>
#include <weft/rwlock.h>
#include <weft/scope.h>
#include <weft/select.h>
#include <weft/semaphore.h>
#include <weft/stackless.h>
#include <weft/stream.h>
#include <weft/task.h>
#include <weft/token.h>
#include <weft/tracker.h>
#include <weft/wait.h>
#include <weft/watch.h>

#endif
