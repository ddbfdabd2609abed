/* A plugin for QEMU that estimates the clock cycles of a Cortex-M4, by the table of its reference manual.
 *
 * Source: Arm, "Cortex-M4 Technical Reference Manual" (100166), "Instruction set summary" and "Load/store timings". Memory answers
 * at once: wait states of flash, caches, the bus and unaligned addresses are not in it, nor is the folding of IT. A taken branch refills
 * the pipeline in 2 cycles (the manual: 1 to 3), a division takes 7 (2 to 12). An instruction that an IT block skips costs what it
 * costs when executed.
 *
 * Options: mark=ADDRESS,out=FILE. Whenever the instruction at the address is about to be executed, a line with the instructions and the
 * cycles so far goes to the file. The address must be where a call leads to, because a block of translated code starts there.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is used of QEMU's interface for plugins; API is its version: 1 to QEMU 8.2, 2 in 9.0, 3 in 9.1, 4 from 9.2 on. */
#define EXPORT __attribute__((visibility("default")))
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef uint64_t plugin_id;
typedef void (*on_block_fn)(unsigned core, void *block);
typedef void (*on_translation_fn)(plugin_id, struct qemu_plugin_tb *);
typedef void (*on_exit_fn)(plugin_id, void *);
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, on_translation_fn);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, on_block_fn, int flags, void *);
void qemu_plugin_register_atexit_cb(plugin_id, on_exit_fn, void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);
#if API < 3
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
#else
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *, void *, size_t);
#endif
EXPORT int qemu_plugin_version = API;

enum { REFILL = 2, DIVISION = 7, PC = 15, NONE = -1 };

/* How an instruction is timed. */
enum Kind {
    ONE,            /* everything that the table does not name */
    TWO,
    LOAD, STORE,    /* of one register, at a register plus a constant */
    LOAD_AT,        /* at a register plus a register */
    STORE_AT,
    MULTIPLE_LOAD, MULTIPLE_STORE,
    DOUBLE,
    BRANCH, CONDITIONAL, TABLE_BRANCH,
    TO_HIGH,        /* ADD or MOV, which may have the program counter as its destination */
    DIVIDE,
    FLOAT_LOAD, FLOAT_MULTIPLE,
    FLOAT_PRODUCT, FLOAT_DIVISION
};

/* The first one whose bits agree counts. Of a wide instruction the first halfword is the upper one. */
struct Pattern { uint32_t mask, bits; enum Kind kind; };

static const struct Pattern NARROW[] = {
    {0xf800, 0x4800, LOAD},
    {0xfe00, 0x5000, STORE_AT}, {0xfe00, 0x5200, STORE_AT}, {0xfe00, 0x5400, STORE_AT}, {0xf000, 0x5000, LOAD_AT},
    {0xe800, 0x6000, STORE}, {0xe800, 0x6800, LOAD}, {0xf800, 0x8000, STORE}, {0xf800, 0x8800, LOAD},
    {0xf800, 0x9000, STORE}, {0xf800, 0x9800, LOAD},
    {0xfe00, 0xb400, MULTIPLE_STORE}, {0xfe00, 0xbc00, MULTIPLE_LOAD},
    {0xf800, 0xc000, MULTIPLE_STORE}, {0xf800, 0xc800, MULTIPLE_LOAD},
    {0xff00, 0x4400, TO_HIGH}, {0xff00, 0x4600, TO_HIGH}, {0xff00, 0x4700, BRANCH},
    {0xf500, 0xb100, CONDITIONAL},
    {0xff00, 0xde00, ONE}, {0xff00, 0xdf00, ONE}, {0xf000, 0xd000, CONDITIONAL}, {0xf800, 0xe000, BRANCH},
    {0, 0, ONE},
};

static const struct Pattern WIDE[] = {
    /* floating point */
    {0xffb00f00, 0xed100a00, FLOAT_LOAD}, {0xff300e00, 0xed000a00, FLOAT_LOAD}, {0xff300e00, 0xed100a00, FLOAT_LOAD},
    {0xfe000e00, 0xec000a00, FLOAT_MULTIPLE},
    {0xffb00e50, 0xee800a00, FLOAT_DIVISION}, {0xffbf0ed0, 0xeeb10ac0, FLOAT_DIVISION},
    {0xffb00e10, 0xee000a00, FLOAT_PRODUCT}, {0xffb00e10, 0xee100a00, FLOAT_PRODUCT},
    {0xffb00e10, 0xee900a00, FLOAT_PRODUCT}, {0xffb00e10, 0xeea00a00, FLOAT_PRODUCT},
    /* PLD and PLI, then loads and stores of one register */
    {0xff10f000, 0xf810f000, ONE}, {0xff10f000, 0xf910f000, ONE},
    {0xfe9f0000, 0xf81f0000, LOAD}, {0xff900000, 0xf8900000, LOAD}, {0xff900000, 0xf9900000, LOAD},
    {0xfe100800, 0xf8100800, LOAD}, {0xfe100000, 0xf8100000, LOAD_AT},
    {0xff900000, 0xf8800000, STORE}, {0xfe100800, 0xf8000800, STORE}, {0xfe100000, 0xf8000000, STORE_AT},
    /* several, two, or a table of branches */
    {0xfe500000, 0xe8100000, MULTIPLE_LOAD}, {0xfe500000, 0xe8000000, MULTIPLE_STORE},
    {0xfff0ffe0, 0xe8d0f000, TABLE_BRANCH}, {0xff600000, 0xe8400000, TWO}, {0xfe400000, 0xe8400000, DOUBLE},
    {0xffd0f0f0, 0xfb90f0f0, DIVIDE},
    /* MSR and MRS, then branches */
    {0xffe0d000, 0xf3808000, TWO}, {0xfff0d000, 0xf3e08000, TWO},
    {0xfb80d000, 0xf3808000, ONE}, {0xf800d000, 0xf0008000, CONDITIONAL}, {0xf8008000, 0xf0008000, BRANCH},
    {0, 0, ONE},
};

/* What the next instruction's time depends on: the destination of a load that it can be pipelined with, or NONE. */
static int loaded = NONE;

static unsigned ones(uint32_t x) { return (unsigned)__builtin_popcount(x); }

/* A load right behind another one takes 1 cycle, unless its address comes from there. */
static unsigned load(int destination, int base, int index)
{
    bool is_pipelined = loaded != NONE && loaded != base && loaded != index;
    loaded = destination == PC ? NONE : destination;
    return (is_pipelined ? 1 : 2) + (destination == PC ? REFILL : 0);
}

/* The registers of a load: destination, base, index or NONE. */
static unsigned load_of(uint32_t code, bool is_wide, bool has_index)
{
    if (is_wide)
        return load(code >> 12 & 15, code >> 16 & 15, has_index ? (int)(code & 15) : NONE);
    if (code >> 11 == 9)
        return load(code >> 8 & 7, PC, NONE);
    if (code >> 12 == 9)
        return load(code >> 8 & 7, 13, NONE);
    return load(code & 7, code >> 3 & 7, has_index ? (int)(code >> 6 & 7) : NONE);
}

/* Whether a narrow instruction is PUSH or POP, which have a ninth register. */
static bool is_push_or_pop(uint32_t code) { return code >> 12 == 0xb; }

/* The list of a multiple load or store. */
static uint32_t registers(uint32_t code, bool is_wide)
{
    return code & (is_wide ? 0xffff : is_push_or_pop(code) ? 0x1ff : 0xff);
}

/* The cycles of one instruction; a branch that may be taken counts as if it were not. */
static unsigned cycles_of(uint32_t code, bool is_wide, bool in_it, bool *may_branch)
{
    const struct Pattern *p = is_wide ? WIDE : NARROW;
    while ((code & p->mask) != p->bits)
        p++;
    *may_branch = p->kind == CONDITIONAL || in_it;
    if (p->kind == LOAD || p->kind == LOAD_AT)
        return load_of(code, is_wide, p->kind == LOAD_AT);
    bool behind_load = loaded != NONE;
    loaded = NONE;
    unsigned refill = in_it ? 0 : REFILL;
    switch (p->kind) {
    case TWO: return 2;
    case STORE_AT: return behind_load ? 1 : 2;
    case MULTIPLE_STORE: return 1 + ones(registers(code, is_wide));
    case MULTIPLE_LOAD: {
        bool to_pc = code & (is_wide ? 0x8000 : is_push_or_pop(code) ? 0x100 : 0);
        return 1 + ones(registers(code, is_wide)) + (to_pc ? refill : 0);
    }
    case DOUBLE: return 3;
    case BRANCH: return 1 + refill;
    case TABLE_BRANCH: return 2 + refill;
    case TO_HIGH: return 1 + (((code >> 4 & 8) | (code & 7)) == PC ? refill : 0);
    case DIVIDE: return DIVISION;
    case FLOAT_LOAD: return code & 0x100 ? 3 : 2;
    case FLOAT_MULTIPLE: return (code & 0x01e00000) == 0x00400000 ? 2 : 1 + (code & 0xff);
    case FLOAT_PRODUCT: return 3;
    case FLOAT_DIVISION: return 14;
    default: return 1;
    }
}

/* A block of translated code. */
struct Block {
    uint64_t start, end;
    unsigned instructions, cycles;
    bool may_branch;
};

static uint64_t mark, instructions, cycles;
static const struct Block *last;
static FILE *out;

static void on_block(unsigned core, void *data)
{
    const struct Block *block = data;
    (void)core;
    if (last && last->may_branch && block->start != last->end)
        cycles += REFILL;
    last = block;
    if (block->start == mark)
        fprintf(out, "%llu %llu\n", (unsigned long long)instructions, (unsigned long long)cycles);
    instructions += block->instructions;
    cycles += block->cycles;
}

static uint32_t code_of(const struct qemu_plugin_insn *instruction, bool is_wide)
{
    uint16_t half[2] = {0, 0};
#if API < 3
    memcpy(half, qemu_plugin_insn_data(instruction), is_wide ? 4 : 2);
#else
    qemu_plugin_insn_data(instruction, half, is_wide ? 4 : 2);
#endif
    return is_wide ? (uint32_t)half[0] << 16 | half[1] : half[0];
}

static void on_translation(plugin_id id, struct qemu_plugin_tb *tb)
{
    struct Block *block = calloc(1, sizeof *block);
    (void)id;
    if (!block)
        abort();
    block->start = block->end = qemu_plugin_tb_vaddr(tb);
    block->instructions = (unsigned)qemu_plugin_tb_n_insns(tb);
    loaded = NONE;
    unsigned in_it = 0;
    for (size_t i = 0; i < block->instructions; i++) {
        const struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(tb, i);
        size_t size = qemu_plugin_insn_size(instruction);
        uint32_t code = code_of(instruction, size == 4);
        block->cycles += cycles_of(code, size == 4, in_it > 0, &block->may_branch);
        block->end += size;
        in_it -= in_it > 0;
        if (size == 2 && code >> 8 == 0xbf && code & 15)
            in_it = 4 - (unsigned)__builtin_ctz(code & 15);
    }
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, 0, block);
}

static void on_exit_(plugin_id id, void *data)
{
    (void)id, (void)data;
    fclose(out);
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (!strncmp(argv[i], "mark=", 5))
            mark = strtoull(argv[i] + 5, NULL, 0);
        if (!strncmp(argv[i], "out=", 4))
            out = fopen(argv[i] + 4, "w");
    }
    if (!out) {
        fprintf(stderr, "cycles: out=FILE is missing, or cannot be written\n");
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_atexit_cb(id, on_exit_, NULL);
    return 0;
}
