/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel.h"

#include <string.h>

#if defined(WITH_NEON) && defined(__arm__) && defined(__linux__)
#include <sys/auxv.h>
#define NEON_CAPABILITY (1ul << 12) /* HWCAP_NEON of Linux on 32-bit Arm */
#endif

extern const Kernel kernel_scalar_float32, kernel_scalar_float64;
extern const Kernel kernel_avx2_float32, kernel_avx2_float64, kernel_avx512_float32, kernel_avx512_float64;
extern const Kernel kernel_neon_float32, kernel_neon_float64;

const Kernel *const kernels[] = {
#ifdef WITH_AVX512
    &kernel_avx512_float32, &kernel_avx512_float64,
#endif
#ifdef WITH_AVX2
    &kernel_avx2_float32,   &kernel_avx2_float64,
#endif
#ifdef WITH_NEON
    &kernel_neon_float32,
#ifdef __aarch64__
    &kernel_neon_float64,
#endif
#endif
    &kernel_scalar_float32, &kernel_scalar_float64, NULL,
};

const char *kernel_names(void)
{
    return ""
#ifdef WITH_AVX512
           "avx512|"
#endif
#ifdef WITH_AVX2
           "avx2|"
#endif
#ifdef WITH_NEON
           "neon|"
#endif
           "scalar";
}

static bool runs_here(const Kernel *kernel)
{
#ifdef WITH_AVX512
    if (strcmp(kernel->name, "avx512") == 0)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
#endif
#ifdef WITH_AVX2
    if (strcmp(kernel->name, "avx2") == 0)
        return __builtin_cpu_supports("avx2");
#endif
#ifdef NEON_CAPABILITY
    if (strcmp(kernel->name, "neon") == 0)
        return (getauxval(AT_HWCAP) & NEON_CAPABILITY) != 0;
#endif
    (void)kernel;
    return true;
}

const Kernel *kernel_choose(Precision precision, const char *name, Error *error)
{
    bool known = false;
    for (size_t i = 0; kernels[i] != NULL; i++) {
        bool meant = name == NULL || strcmp(kernels[i]->name, name) == 0;
        known = known || meant;
        if (meant && kernels[i]->precision == precision && runs_here(kernels[i]))
            return kernels[i];
    }
    if (known)
        fail(error, "--kernel %s: not on this processor in %s", name, precision_name(precision));
    else
        fail(error, "--kernel %.100s: expected %s", name, kernel_names());
    return NULL;
}
