/* Pictures go to the file as they are decoded: memory holds some of them, a buffer, and
 * two bytes a picture for the labels. The header is written last. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

#include "base/file.h"
#include "base/pool.h"
#include "data/dataset_file.h"

/* TOGETHER: pictures that are decoded between two looks at what else is wanted; fewer when they
 * take more than TOGETHER_BYTES. Each thread may hold a decoded picture, which may be large. */
enum { BUFFER = 1 << 20, TOGETHER = 64, TOGETHER_BYTES = 16 << 20, MOST_THREADS = 8 };

struct writer {
	struct dcg_file file;
	uint8_t *buffer;
	size_t used, room;
	uLong crc;
	const char *name; /* for errors */
};

static int flush(struct writer *w, struct dcg_error *err)
{
	int r = dcg_file_write_all(w->file.fd, w->buffer, w->used, err);
	w->crc = crc32_z(w->crc, w->buffer, w->used);
	w->used = 0;
	return r ? dcg_error_prefix(err, r, "%s", w->name) : 0;
}

/* Room for size (at most w->room) more bytes. */
static int reserve(struct writer *w, size_t size, uint8_t **ret, struct dcg_error *err)
{
	int r = w->room - w->used < size ? flush(w, err) : 0;
	*ret = w->buffer + w->used;
	return r;
}

static int write_labels(struct writer *w, const struct dcg_dataset_info *info, const int16_t *labels, const struct dcg_source *source, struct dcg_error *err)
{
	uint8_t *to;
	int r = 0;
	for (uint32_t i = 0; !r && info->classes && i < info->count; i++) {
		r = reserve(w, 2, &to, err);
		to[0] = (uint8_t)labels[i];
		to[1] = (uint8_t)((uint16_t)labels[i] >> 8);
		w->used += 2;
	}
	for (int c = 0; !r && c < info->classes; c++) {
		r = reserve(w, DCG_CLASS_NAME, &to, err);
		memset(to, 0, DCG_CLASS_NAME);
		memcpy(to, dcg_source_class_name(source, c), strnlen(dcg_source_class_name(source, c), DCG_CLASS_NAME - 1));
		w->used += DCG_CLASS_NAME;
	}
	return r ? r : flush(w, err);
}

static int write_header(struct writer *w, const struct dcg_dataset_info *info, struct dcg_error *err)
{
	uint8_t header[DCG_DATASET_HEADER];
	dcg_dataset_encode(header, info, (uint32_t)w->crc);
	if (lseek(w->file.fd, 0, SEEK_SET) < 0)
		return dcg_error_sys(err, errno, "%s: cannot seek", w->name);
	int r = dcg_file_write_all(w->file.fd, header, sizeof header, err);
	return r ? dcg_error_prefix(err, r, "%s", w->name) : 0;
}

static int skippable(int code)
{
	return code == DCG_EFORMAT || code == DCG_EUNSUPPORTED || code == DCG_ENOENT || code == DCG_EACCESS;
}

/* Pictures that are fitted by several threads, and taken in their order. Those too read them where the
 * source lets them; else one reads the next pictures meanwhile. */
struct shot {
	struct dcg_picture picture;
	int label, code;
	struct dcg_error why;
};
struct batch {
	struct dcg_source *source;
	const struct dcg_dataset_info *info;
	struct dcg_pool *pool;
	int room, concurrent;
	uint32_t first;  /* picture of the source */
	int count, next; /* pictures at hand; after them, read ahead */
	int failed;      /* no more of them are read: the one read last is not to be skipped */
	size_t bytes;    /* of a fitted picture */
	struct shot *shots, *ahead;
	uint8_t *fitted;
};

static void batch_done(struct batch *b)
{
	for (int i = 0; i < b->next; i++)
		if (!b->ahead[i].code)
			dcg_picture_done(&b->ahead[i].picture);
	free(b->shots);
	free(b->ahead);
	free(b->fitted);
	dcg_pool_free(b->pool);
}

static int batch_init(struct batch *b, struct dcg_source *source, const struct dcg_dataset_info *info, int threads, struct dcg_error *err)
{
	const struct dcg_source_info *from = dcg_source_info(source);
	*b = (struct batch){ .source = source, .info = info, .concurrent = from->concurrent, .bytes = dcg_dataset_layout(info).picture_bytes };
	threads = threads ? threads : dcg_processors();
	int r = dcg_pool_new(&b->pool, threads < MOST_THREADS ? threads : MOST_THREADS, err);
	if (r)
		return r;
	/* Read one after another, pictures wait decoded, twice as many. */
	size_t each = b->bytes + (b->concurrent ? 0 : 2 * (size_t)from->width * (size_t)from->height * (size_t)from->channels);
	int least = b->concurrent ? dcg_pool_threads(b->pool) : 1, fit = each < TOGETHER_BYTES / TOGETHER ? TOGETHER : (int)(TOGETHER_BYTES / each);
	b->room = fit > least ? fit : least;
	b->shots = calloc((size_t)b->room, sizeof *b->shots);
	b->ahead = calloc((size_t)b->room, sizeof *b->ahead);
	b->fitted = malloc((size_t)b->room * b->bytes);
	return b->shots && b->ahead && b->fitted ? 0 : dcg_error_set(err, DCG_ENOMEM, "out of memory");
}

static void read_shot(struct batch *b, struct shot *s, uint32_t picture)
{
	s->code = dcg_source_read(b->source, picture, &s->picture, &s->label, &s->why);
}

static int count_from(const struct batch *b, uint32_t first)
{
	uint32_t left = dcg_source_info(b->source)->count - first;
	return left < (uint32_t)b->room ? (int)left : b->room;
}

static void read_ahead(struct batch *b)
{
	const uint32_t first = b->first + (uint32_t)b->count;
	for (const int n = count_from(b, first); !b->failed && b->next < n; b->next++) {
		struct shot *s = &b->ahead[b->next];
		read_shot(b, s, first + (uint32_t)b->next);
		b->failed = s->code && !skippable(s->code);
	}
}

static void fit_shot(struct batch *b, int i)
{
	struct shot *s = &b->shots[i];
	if (b->concurrent)
		read_shot(b, s, b->first + (uint32_t)i);
	if (s->code)
		return;
	s->code = dcg_picture_fit(&s->picture, b->info->size, b->info->channels, b->fitted + (size_t)i * b->bytes, &s->why);
	dcg_picture_done(&s->picture);
}

static void shot_task(void *ctx, int task, int worker)
{
	struct batch *b = ctx;
	(void)worker;
	if (b->concurrent)
		fit_shot(b, task);
	else if (task == 0)
		read_ahead(b);
	else
		fit_shot(b, task - 1);
}

/* The pictures from `first` on, where those before have ended. */
static void make_shots(struct batch *b, uint32_t first)
{
	b->first = first;
	b->count = 0;
	if (!b->concurrent && b->next == 0)
		read_ahead(b);
	struct shot *read = b->ahead;
	b->ahead = b->shots, b->shots = read;
	b->count = b->concurrent ? count_from(b, first) : b->next;
	b->next = 0;
	dcg_pool_run(b->pool, shot_task, b, b->count + !b->concurrent);
}

/* All pictures of the source; fills info->count, info->skipped and labels. */
static int write_pictures(struct writer *w, struct dcg_dataset_info *info, int16_t *labels, struct batch *b, const struct dcg_prepare *how, struct dcg_error *err)
{
	uint32_t count = dcg_source_info(b->source)->count;
	struct dcg_error first = { 0 };
	for (uint32_t at = 0; at < count; at += (uint32_t)b->room) {
		if (how->cancelled && how->cancelled(how->user))
			return dcg_error_set(err, DCG_ECANCELLED, "cancelled after %u of %u pictures", at, count);
		if (how->progress)
			how->progress(how->user, at, count);
		make_shots(b, at);
		for (int i = 0; i < b->count; i++) {
			const struct shot *s = &b->shots[i];
			uint8_t *to;
			int r = s->code;
			if (skippable(r) && how->on_error == DCG_ON_ERROR_SKIP) {
				if (how->bad_file)
					how->bad_file(how->user, &s->why);
				if (info->skipped++ == 0)
					first = s->why;
				continue;
			}
			if (r)
				return dcg_error_set(err, r, "%s", s->why.text);
			if ((r = reserve(w, b->bytes, &to, err)))
				return r;
			memcpy(to, b->fitted + (size_t)i * b->bytes, b->bytes);
			w->used += b->bytes;
			labels[info->count++] = (int16_t)s->label;
		}
	}
	if (info->count == 0)
		return dcg_error_set(err, first.code, "none of %u pictures could be read: %s", count, first.text);
	if (how->progress)
		how->progress(how->user, count, count);
	return 0;
}

int dcg_dataset_prepare(const char *path, struct dcg_source *source, const struct dcg_prepare *how, struct dcg_error *err)
{
	const struct dcg_source_info *from = dcg_source_info(source);
	if (how->size < 1 || how->size > DCG_DATASET_MAX_SIZE || (how->channels != 1 && how->channels != 3))
		return dcg_error_set(err, DCG_EINVAL, "data set: expected a size of 1 to %d and 1 or 3 channels, found %d and %d",
		                     DCG_DATASET_MAX_SIZE, how->size, how->channels);
	struct dcg_dataset_info info = { .size = how->size, .channels = how->channels, .classes = from->classes };
	memcpy(info.fingerprint, from->fingerprint, sizeof info.fingerprint);
	info.count = from->count;
	struct dcg_dataset_layout most = dcg_dataset_layout(&info);
	info.count = 0;

	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	struct writer w = { .name = name, .room = most.picture_bytes > BUFFER ? most.picture_bytes : BUFFER, .file.fd = -1 };
	int16_t *labels = malloc(from->count * sizeof *labels);
	w.buffer = malloc(w.room);
	struct batch batch = { 0 };
	int r = labels && w.buffer ? batch_init(&batch, source, &info, how->threads, err) : dcg_error_set(err, DCG_ENOMEM, "out of memory");
	if (r)
		r = dcg_error_prefix(err, r, "%s", name);
	if (!r)
		r = dcg_file_begin(&w.file, path, most.end, err);
	if (!r && lseek(w.file.fd, DCG_DATASET_HEADER, SEEK_SET) < 0) /* a hole of zeros: no valid file */
		r = dcg_error_sys(err, errno, "%s: cannot seek", name);
	if (!r)
		r = write_pictures(&w, &info, labels, &batch, how, err);
	if (!r)
		r = write_labels(&w, &info, labels, source, err);
	if (!r)
		r = write_header(&w, &info, err);
	if (!r)
		r = dcg_file_commit(&w.file, err);
	dcg_file_abort(&w.file);
	batch_done(&batch);
	free(w.buffer);
	free(labels);
	return r;
}
