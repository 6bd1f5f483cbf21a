/* Checkpoints: the safetensors file, its metadata, and taking it over into networks.
 *
 * An input is opened as it is, and again as a header alone whose length and whose arrays
 * (zeros) are put right, so that most changes are to what the header says. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "tests/fuzz/checkpoint.h"
#include "train/metadata.h"
#include "train/safetensors.h"

const int fuzz_pace = 500;

enum { ARRAYS_MAX = 1 << 20, WEIGHTS_MAX = 1 << 16 };

/* The networks of parameters; 0 when they are too large to be made for each input. */
static int make_gan(const struct dcg_train_params *p, struct dcg_gan **ret, struct dcg_backend **ret_be)
{
	struct dcg_gan_config cfg = dcg_train_params_gan(p);
	struct dcg_error err;
	if (p->size > 16 || p->ngf > 4 || p->ndf > 4 || p->z_dim > 16 || p->batch_size > 16)
		return 0;
	if (dcg_backend_open(ret_be, "openblas", "auto", 1, &err))
		return 0;
	if (!dcg_gan_new(ret, *ret_be, &cfg, &err))
		return 1;
	dcg_backend_close(*ret_be);
	return 0;
}

uint8_t *fuzz_seed(int i, size_t *ret_size)
{
	char *bytes;
	struct dcg_train_params p = fuzz_params(i % 2);
	if (i > 4)
		return NULL;
	if (i == 4) {
		bytes = dcg_metadata_params(&p);
		*ret_size = strlen(bytes);
		return (uint8_t *)bytes;
	}
	bytes = fuzz_checkpoint(&p, ret_size);
	if (i >= 2) /* the header alone: small enough for every change to matter */
		*ret_size = 8 + ((size_t)(uint8_t)bytes[0] | (size_t)(uint8_t)bytes[1] << 8 | (size_t)(uint8_t)bytes[2] << 16);
	return (uint8_t *)bytes;
}

static void look(const char *path)
{
	struct dcg_safetensors *s;
	struct dcg_checkpoint *c;
	struct dcg_gan *gan;
	struct dcg_backend *be;
	struct dcg_error err = { 0 };
	static char array[WEIGHTS_MAX];
	int r = dcg_safetensors_open(&s, path, &err);
	if (r) {
		fuzz_check(err.code == r && strlen(err.text) > 5, "%d %s", r, err.text);
		return;
	}
	for (size_t i = 0; i < dcg_safetensors_count(s); i++) {
		const struct dcg_safetensor *t = dcg_safetensors_at(s, i);
		fuzz_check(dcg_safetensors_find(s, t->name) == t, "%s is not found", t->name);
		if (t->size <= sizeof array)
			fuzz_check(dcg_safetensors_read(s, t, array, &err) == 0, "%s", err.text);
	}
	dcg_safetensors_close(s);
	if (dcg_checkpoint_open(&c, path, &err))
		return;
	const struct dcg_train_params *p = dcg_checkpoint_params(c);
	if (make_gan(p, &gan, &be)) {
		dcg_checkpoint_restore(c, gan, 1, &err);
		dcg_gan_free(gan);
		dcg_backend_close(be);
	}
	dcg_checkpoint_close(c);
}

/* Where the arrays end that a header speaks of, as far as it can be told. */
static size_t arrays_end(const char *header)
{
	unsigned long long most = 0, a, b;
	for (const char *s = header; (s = strstr(s, "data_offsets")); s += 12)
		if (sscanf(s + 12, "\":[%llu,%llu]", &a, &b) == 2 && b > most)
			most = b;
	return most < ARRAYS_MAX ? (size_t)most : 0;
}

/* What is read from JSON comes back the same from what is written. */
static void look_at_metadata(const char *text)
{
	struct dcg_train_params p, again;
	struct dcg_train_state s, s_again;
	struct dcg_error err = { 0 };
	if (!dcg_metadata_parse_params(text, &p, &err)) {
		char *json = dcg_metadata_params(&p);
		fuzz_check(json && !dcg_metadata_parse_params(json, &again, &err), "%s: %s", json, err.text);
		fuzz_check(memcmp(&p, &again, sizeof p) == 0, "%s", json);
		free(json);
	}
	if (!dcg_metadata_parse_state(text, &s, &err)) {
		char *json = dcg_metadata_state(&s);
		fuzz_check(json && !dcg_metadata_parse_state(json, &s_again, &err), "%s: %s", json, err.text);
		fuzz_check(memcmp(&s, &s_again, sizeof s) == 0, "%s", json);
		free(json);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size && data[0] == '{') { /* metadata itself */
		char *text = fuzz_text(data, size);
		look_at_metadata(text);
		free(text);
	}
	look(fuzz_file("checkpoint", data, size));
	if (size <= 8)
		return 0;
	size_t n = size - 8;
	char *header = fuzz_text(data + 8, n);
	size_t arrays = arrays_end(header);
	uint8_t *file = calloc(1, size + arrays);
	fuzz_check(file != NULL, "out of memory");
	for (int i = 0; i < 8; i++)
		file[i] = (uint8_t)((uint64_t)n >> 8 * i);
	memcpy(file + 8, header, n);
	look(fuzz_file("checkpoint", file, size + arrays));
	free(file);
	free(header);
	return 0;
}
