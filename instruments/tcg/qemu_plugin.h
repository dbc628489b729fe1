/* SPDX-License-Identifier: Apache-2.0
 *
 * What this plugin uses of QEMU's plugin interface, declared here because distributions do not package QEMU's own header.
 * Source: QEMU, "QEMU TCG Plugins" (documentation of the interface). All of it is the same from interface version 1
 * (QEMU 7.2) to 4 (QEMU 10.0); the version that a plugin names is checked when it is loaded, so it is set when this one
 * is built: -DPLUGIN_INTERFACE=2 for QEMU 9.0 and newer.
 */
#ifndef LAB_QEMU_PLUGIN_H
#define LAB_QEMU_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef PLUGIN_INTERFACE
#define PLUGIN_INTERFACE 1
#endif

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t plugin_id;
typedef uint32_t access_info;
struct qemu_plugin_tb;
struct qemu_plugin_insn;

enum { CALLBACK_WITHOUT_REGISTERS = 0 };
enum { LOADS_AND_STORES = 3 };

typedef void (*at_cpu_start)(plugin_id id, unsigned cpu);
typedef void (*at_translation)(plugin_id id, struct qemu_plugin_tb *block);
typedef void (*at_execution)(unsigned cpu, void *data);
typedef void (*at_access)(unsigned cpu, access_info info, uint64_t address, void *data);
typedef void (*at_exit)(plugin_id id, void *data);

void qemu_plugin_register_vcpu_init_cb(plugin_id id, at_cpu_start callback);
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, at_translation callback);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block, at_execution callback, int flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *instruction, at_execution callback, int flags,
                                            void *data);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *instruction, at_access callback, int flags, int kinds,
                                      void *data);
void qemu_plugin_register_atexit_cb(plugin_id id, at_exit callback, void *data);

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *instruction);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *instruction);
#if PLUGIN_INTERFACE < 3
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction);
#else
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction, void *to, size_t length);
#endif

bool qemu_plugin_mem_is_store(access_info info);
unsigned qemu_plugin_mem_size_shift(access_info info);

/* The first two members, all that is read here, are the same in every version. */
struct qemu_info {
    const char *target_name;
    struct {
        int min, cur;
    } version;
};

extern EXPORT int qemu_plugin_version;
EXPORT int qemu_plugin_install(plugin_id id, const struct qemu_info *info, int count, char **arguments);

#endif
