#ifndef WF_IO_OS_TYPES_H
#define WF_IO_OS_TYPES_H

/* The system's own types that headers above io name: addresses and pieces of memory. No calls. */

#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#endif
