/* SPDX-License-Identifier: Apache-2.0 */
#include "errors.h"

#include <errno.h>
#include <stdio.h>

/* clang-format off */
#define NAMED(name) case name: return #name;
/* clang-format on */

const char *error_name(int number)
{
    static char other[16];
    switch (number) {
        NAMED(E2BIG)
        NAMED(EACCES)
        NAMED(EAGAIN)
        NAMED(EBADF)
        NAMED(EBUSY)
        NAMED(ECHILD)
        NAMED(EDQUOT)
        NAMED(EEXIST)
        NAMED(EFAULT)
        NAMED(EFBIG)
        NAMED(EINTR)
        NAMED(EINVAL)
        NAMED(EIO)
        NAMED(EISDIR)
        NAMED(ELIBBAD)
        NAMED(ELOOP)
        NAMED(EMFILE)
        NAMED(ENAMETOOLONG)
        NAMED(ENFILE)
        NAMED(ENODEV)
        NAMED(ENOENT)
        NAMED(ENOEXEC)
        NAMED(ENOMEM)
        NAMED(ENOSPC)
        NAMED(ENOSYS)
        NAMED(ENOTDIR)
        NAMED(ENOTTY)
        NAMED(ENXIO)
        NAMED(EOPNOTSUPP)
        NAMED(EOVERFLOW)
        NAMED(EPERM)
        NAMED(EPIPE)
        NAMED(ERANGE)
        NAMED(EROFS)
        NAMED(ESRCH)
        NAMED(ETIMEDOUT)
        NAMED(ETXTBSY)
    default:
        snprintf(other, sizeof other, "E%d", number);
        return other;
    }
}
