#ifndef WF_IO_DESCRIPTORS_H
#define WF_IO_DESCRIPTORS_H

#define WF_DESCRIPTORS 16384

/* Make room in the kernel's table for the descriptors that the process may open, WF_DESCRIPTORS at
 * most, unless that was done before. Where it cannot be had the table grows later, as it would. */
void wf_descriptors_reserve(void);

#endif
