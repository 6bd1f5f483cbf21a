#include "kernel/plain.h"

void dcg_plain_tensor_free(struct dcg_tensor *t)
{
	if (!t)
		return;
	if (!t->is_view)
		dcg_table_free(t->at);
	dcg_table_free(t);
}

int dcg_plain_tensor_new(struct dcg_backend *be, struct dcg_tensor **ret, struct dcg_shape shape, struct dcg_error *err)
{
	size_t count;
	void *p;
	int e = dcg_shape_check(shape, &count, err);
	if (!e)
		e = dcg_table_alloc(be, &p, 1, sizeof(struct dcg_tensor), "tensor", err);
	if (e)
		return e;
	struct dcg_tensor *t = p;
	*t = (struct dcg_tensor){ .shape = shape, .count = count };
	e = dcg_table_floats(be, &t->at, count, "tensor", err);
	if (e) {
		dcg_plain_tensor_free(t);
		return e;
	}
	*ret = t;
	return 0;
}

int dcg_plain_tensor_view(struct dcg_backend *be, struct dcg_tensor **ret, struct dcg_shape shape, struct dcg_tensor *storage, const struct dcg_tensor *after, struct dcg_error *err)
{
	size_t count, begin = after ? (size_t)(after->at - storage->at) + after->count : 0;
	void *p;
	int e = dcg_shape_check(shape, &count, err);
	if (!e && count > storage->count - begin)
		e = dcg_error_set(err, DCG_EINVAL, "tensor: expected at most %zu values in the memory of another, found %zu", storage->count - begin, count);
	if (!e)
		e = dcg_table_alloc(be, &p, 1, sizeof(struct dcg_tensor), "tensor", err);
	if (e)
		return e;
	*ret = p;
	**ret = (struct dcg_tensor){ .shape = shape, .count = count, .at = storage->at + begin, .is_view = 1 };
	return 0;
}
