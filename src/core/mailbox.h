#ifndef WF_CORE_MAILBOX_H
#define WF_CORE_MAILBOX_H

#include <weft/mailbox.h>

/* Whether a mailbox of the loop has handles that somebody else may hold, and send by. */
bool wf_mailbox_may_bring(const weft_loop *loop);

#endif
