#ifndef WF_IO_URING_ABI_H
#define WF_IO_URING_ABI_H

/* What the kernel knows and liburing 2.3 does not: values of linux/io_uring.h, under our own names,
 * with the version that brought each. */

#define WF_ENTER_NO_IOWAIT (1u << 7)  /* 6.15 */
#define WF_FEAT_NO_IOWAIT  (1u << 17) /* 6.15 */
#define WF_RING_FTRUNCATE  55         /* 6.9 */

#endif
