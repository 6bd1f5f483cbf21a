/* WebP, lossy and lossless, by libwebp. */
#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

#include "data/decode.h"

static int refuse(VP8StatusCode status, struct dcg_error *err)
{
	switch (status) {
	case VP8_STATUS_OUT_OF_MEMORY:
		return dcg_error_set(err, DCG_ENOMEM, "WebP: out of memory");
	case VP8_STATUS_UNSUPPORTED_FEATURE:
		return dcg_error_set(err, DCG_EUNSUPPORTED, "WebP: uses a feature that libwebp does not know");
	case VP8_STATUS_NOT_ENOUGH_DATA: case VP8_STATUS_SUSPENDED:
		return dcg_error_set(err, DCG_EFORMAT, "WebP: the file ends early");
	default:
		return dcg_error_set(err, DCG_EFORMAT, "WebP: damaged (status %d)", (int)status);
	}
}

static int orientation_of(const uint8_t *bytes, size_t size)
{
	WebPData data = { .bytes = bytes, .size = size };
	WebPDemuxer *demuxer = WebPDemux(&data);
	WebPChunkIterator chunk;
	int orientation = 1;
	if (demuxer && WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk)) {
		const uint8_t *tiff = chunk.chunk.bytes;
		size_t n = chunk.chunk.size;
		if (n > 6 && memcmp(tiff, "Exif\0", 6) == 0) /* some writers keep JPEG's prefix */
			tiff += 6, n -= 6;
		orientation = dcg_exif_orientation(tiff, n);
		WebPDemuxReleaseChunkIterator(&chunk);
	}
	WebPDemuxDelete(demuxer);
	return orientation;
}

int dcg_decode_webp(struct dcg_picture *ret, int *ret_orientation, const uint8_t *bytes, size_t size, struct dcg_error *err)
{
	WebPDecoderConfig config;
	struct dcg_picture p;
	if (!WebPInitDecoderConfig(&config))
		return dcg_error_set(err, DCG_EUNSUPPORTED, "WebP: libwebp is of another version");
	/* libwebp needs neither the last chunks nor their padding; but then metadata is lost. */
	uint64_t riff = bytes[4] | (uint64_t)bytes[5] << 8 | (uint64_t)bytes[6] << 16 | (uint64_t)bytes[7] << 24;
	if (riff + 8 > size)
		return refuse(VP8_STATUS_NOT_ENOUGH_DATA, err);
	VP8StatusCode status = WebPGetFeatures(bytes, size, &config.input);
	if (status != VP8_STATUS_OK)
		return refuse(status, err);
	if (config.input.has_animation)
		return dcg_error_set(err, DCG_EUNSUPPORTED, "WebP: animated");
	int alpha = config.input.has_alpha, samples = alpha ? 4 : 3;
	int r = dcg_decode_check_size((uint64_t)config.input.width, (uint64_t)config.input.height, err);
	if (!r)
		r = dcg_decode_alloc(&p, config.input.width, config.input.height, samples, err);
	if (r)
		return r;
	config.output.colorspace = alpha ? MODE_RGBA : MODE_RGB;
	config.output.is_external_memory = 1;
	config.output.u.RGBA = (WebPRGBABuffer){
		.rgba = p.pixels, .stride = p.width * samples, .size = (size_t)p.width * (size_t)p.height * (size_t)samples,
	};
	status = WebPDecode(bytes, size, &config);
	WebPFreeDecBuffer(&config.output);
	if (status != VP8_STATUS_OK) {
		dcg_picture_done(&p);
		return refuse(status, err);
	}
	if (alpha)
		dcg_decode_on_white(&p);
	*ret = p;
	*ret_orientation = orientation_of(bytes, size);
	return 0;
}
