#include "kernel/kernel.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "kernel/table.h"

#if defined DCG_AMX
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

static int always(void)
{
	return 1;
}

#if defined DCG_X86
/* gcc's check also asks the operating system (XCR0). */
static int has_avx2(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static int has_avx512(void)
{
	return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

static int has_avx512_bf16(void)
{
	return has_avx512() && __builtin_cpu_supports("avx512bf16");
}

#if defined DCG_AMX
static int amx_permitted;
static pthread_once_t amx_once = PTHREAD_ONCE_INIT;

/* The processor's word (leaf 7, EDX: AMX-BF16, TILE), the system's (XCR0: the registers of
 * tiles are kept), and its leave to use them: asked once, for the whole process. */
static void ask_for_amx(void)
{
	enum { AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24, XCR0_TILES = 3 << 17, ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_TILEDATA = 18 };
	unsigned eax, ebx, ecx, edx, xcr0;
	if (!has_avx512_bf16() || !__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx))
		return;
	if (~edx & (AMX_BF16 | AMX_TILE))
		return;
	__asm__ volatile("xgetbv" : "=a"(xcr0), "=d"(eax) : "c"(0)); /* AVX-512 is there: so is this */
	amx_permitted = !(~xcr0 & XCR0_TILES) && syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_TILEDATA) == 0;
}

static int has_amx_bf16(void)
{
	pthread_once(&amx_once, ask_for_amx);
	return amx_permitted;
}
#endif
#endif

/* From slowest to fastest: "auto" is the last that this processor can run. */
static const struct row {
	const char *name, *precision;
	int (*available)(void);
	dcg_table_open *open;
	dcg_table_overlay *overlays[DCG_TABLE_OVERLAYS];
} rows[] = {
	{ "ref", "fp32", always, dcg_ref_open, { dcg_ref_basics, dcg_ref_layers } },
	{ "openblas", "fp32", always, dcg_openblas_open,
	  { dcg_openblas_tensors, dcg_openblas_pictures, dcg_openblas_params, dcg_openblas_convs, dcg_openblas_norms, dcg_openblas_activations } },
#if defined DCG_X86
	{ "avx2", "fp32", has_avx2, dcg_simd_open, { dcg_simd_avx2 } },
	{ "avx512", "fp32", has_avx512, dcg_simd_open, { dcg_simd_avx512 } },
	{ "avx512-bf16", "bf16", has_avx512_bf16, dcg_simd_open_bf16, { dcg_simd_avx512_bf16 } },
#if defined DCG_AMX
	{ "amx-bf16", "bf16", has_amx_bf16, dcg_simd_open_bf16, { dcg_simd_avx512_bf16, dcg_amx } },
#endif
#endif
};
enum { ROWS = sizeof rows / sizeof *rows };

static const char *names[ROWS + 1];
static pthread_once_t names_once = PTHREAD_ONCE_INIT;

static void list_names(void)
{
	int n = 0;
	for (int i = 0; i < ROWS; i++)
		if (rows[i].available())
			names[n++] = rows[i].name;
}

const char *const *dcg_kernel_names(void)
{
	pthread_once(&names_once, list_names);
	return names;
}

/* "auto" leaves the choice to the other of the two; both: whatever is fastest. In bf16, too: losses
 * and pictures stay within what another seed changes (docs/quality.md). */
static int find(const struct row **ret, const char *kernel, const char *precision, struct dcg_error *err)
{
	int any = strcmp(kernel, "auto") == 0, code = DCG_EINVAL;
	if (strcmp(precision, "auto") != 0 && strcmp(precision, "fp32") != 0 && strcmp(precision, "bf16") != 0)
		return dcg_error_set(err, DCG_EINVAL, "precision: found \"%.64s\", expected auto, fp32 or bf16", precision);
	if (strcmp(precision, "auto") == 0)
		precision = NULL;
	for (int i = ROWS - 1; i >= 0; i--) {
		if (!any && strcmp(kernel, rows[i].name) != 0)
			continue;
		if (precision && strcmp(precision, rows[i].precision) != 0)
			continue;
		if (rows[i].available()) {
			*ret = &rows[i];
			return 0;
		}
		code = DCG_EUNSUPPORTED;
	}
	char choices[128];
	size_t at = 0;
	for (const char *const *n = dcg_kernel_names(); *n && at < sizeof choices; n++)
		at += (size_t)snprintf(choices + at, sizeof choices - at, ", %s", *n);
	const struct row *other;
	if (precision && !any && !find(&other, kernel, "auto", NULL))
		return dcg_error_set(err, DCG_EINVAL, "precision: found \"%s\", but kernel %s computes in %s", precision, kernel, other->precision);
	if (precision && any)
		return dcg_error_set(err, DCG_EUNSUPPORTED, "precision: found \"%s\", which no kernel of this build and processor computes in", precision);
	return dcg_error_set(err, code, "kernel: found \"%.64s\"%s, expected one of auto%s", kernel,
			     code == DCG_EUNSUPPORTED ? ", which needs instructions that this processor lacks or the system does not permit" : "", choices);
}

int dcg_kernel_check(const char *kernel, const char *precision, struct dcg_error *err)
{
	const struct row *row;
	return find(&row, kernel, precision, err);
}

size_t dcg_kernel_value_bytes(const char *kernel, const char *precision)
{
	const struct row *row;
	return !find(&row, kernel, precision, NULL) && strcmp(row->precision, "bf16") == 0 ? sizeof(uint16_t) : sizeof(float);
}

int dcg_backend_open(struct dcg_backend **ret, const char *kernel, const char *precision, int threads, struct dcg_error *err)
{
	const struct row *row = NULL;
	int e = find(&row, kernel, precision, err);
	return e ? e : dcg_table_backend(ret, row->name, row->open, row->overlays, threads, err);
}

void dcg_backend_close(struct dcg_backend *be)
{
	if (!be)
		return;
	struct dcg_pool *pool = be->pool;
	be->ops->close(be);
	dcg_pool_free(pool);
}
