#ifndef WF_CORE_MAILBOX_H
#define WF_CORE_MAILBOX_H

/* A mailbox for who waits for other things beside it: the waiter's object is the mailbox, its item
 * where one item goes to. */

#include "core/waiter.h"

extern const struct wf_wait_ops wf_mailbox_receive_ops;

#endif
