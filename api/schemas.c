#include "api/schemas.h"

#include <stddef.h>

#define WHOLE "{\"type\":\"integer\"}"
#define NUMBER "{\"type\":\"number\"}"
#define NUMBER_OR_NULL "{\"type\":[\"number\",\"null\"]}"
#define TEXT "{\"type\":\"string\"}"
#define TEXT_OR_NULL "{\"type\":[\"string\",\"null\"]}"
#define FLAG "{\"type\":\"boolean\"}"
#define NO_NUL "\"pattern\":\"^[^\\\\u0000]*$\""
#define TIME "{\"type\":\"string\",\"format\":\"date-time\"}"
#define TIME_OR_NULL "{\"type\":[\"string\",\"null\"],\"format\":\"date-time\"}"
#define TEXTS "{\"type\":\"array\",\"items\":" TEXT "}"
#define OBJECT(required, properties) "{\"type\":\"object\",\"required\":[" required "],\"properties\":{" properties "}}"
#define REF(name) "{\"$ref\":\"#/components/schemas/" name "\"}"
#define LIST(key, item) OBJECT("\"" key "\",\"next\"", "\"" key "\":{\"type\":\"array\",\"items\":" item "},\"next\":" TEXT_OR_NULL)

const struct dcg_schema dcg_schemas[] = {
	{ "Problem", OBJECT("\"type\",\"title\",\"status\",\"detail\"",
		"\"type\":" TEXT ",\"title\":" TEXT ",\"status\":" WHOLE ",\"detail\":" TEXT ",\"errors\":{\"type\":\"array\",\"items\":"
		OBJECT("\"detail\"", "\"pointer\":{\"type\":\"string\",\"description\":\"JSON pointer into the request\"},"
			"\"parameter\":{\"type\":\"string\",\"description\":\"name of a query parameter\"},\"detail\":" TEXT) "}") },
	{ "Nothing", "{\"type\":\"object\",\"maxProperties\":0}" },
	{ "Job", OBJECT("\"id\",\"state\",\"dataset\",\"params\",\"version\"",
		"\"id\":" WHOLE ",\"name\":" TEXT ",\"note\":" TEXT ",\"tags\":" TEXTS ",\"state\":{\"type\":\"string\",\"enum\":[\"queued\",\"preparing\",\"running\",\"paused\","
		"\"succeeded\",\"failed\",\"cancelled\"]},\"dataset\":" TEXT ",\"priority\":" WHOLE ",\"pinned\":{\"type\":\"boolean\"},\"epoch\":" WHOLE ",\"epochs\":" WHOLE
		",\"step\":" WHOLE ",\"steps_per_epoch\":{\"type\":[\"integer\",\"null\"]},\"steps_total\":{\"type\":[\"integer\",\"null\"]}"
		",\"images_per_s\":" NUMBER_OR_NULL ",\"eta_s\":" NUMBER_OR_NULL ",\"loss_d\":" NUMBER_OR_NULL ",\"loss_g\":" NUMBER_OR_NULL
		",\"d_real\":" NUMBER_OR_NULL ",\"d_fake\":" NUMBER_OR_NULL ",\"error\":" TEXT_OR_NULL ",\"version\":" WHOLE
		",\"params\":" REF("JobRequest") ",\"created_at\":" TIME ",\"started_at\":" TIME_OR_NULL ",\"finished_at\":" TIME_OR_NULL) },
	{ "JobPatch", "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
		"\"name\":{\"type\":\"string\",\"maxLength\":63," NO_NUL ",\"description\":\"at most 63 bytes\"},"
		"\"note\":{\"type\":\"string\",\"maxLength\":4000," NO_NUL ",\"description\":\"lines of text\"},"
		"\"tags\":{\"type\":\"array\",\"maxItems\":16,\"uniqueItems\":true,\"items\":"
		"{\"type\":\"string\",\"minLength\":1,\"maxLength\":40," NO_NUL "}},"
		"\"priority\":{\"type\":\"integer\",\"minimum\":-100,\"maximum\":100},"
		"\"pinned\":{\"type\":\"boolean\",\"description\":\"a pinned job cannot be deleted\"}}}" },
	{ "Jobs", LIST("jobs", REF("Job")) },
	{ "Metrics", OBJECT("\"job\",\"from\",\"to\",\"series\"",
		"\"job\":" WHOLE ",\"from\":" WHOLE ",\"to\":" WHOLE ",\"series\":{\"type\":\"object\",\"additionalProperties\":"
		OBJECT("\"total\",\"points\"", "\"total\":{\"type\":\"integer\",\"description\":\"points in the range, before they were put into buckets\"},"
			"\"points\":{\"type\":\"array\",\"items\":"
			OBJECT("\"step\",\"last_step\",\"count\",\"min\",\"max\",\"last\",\"min_step\",\"max_step\"",
				"\"step\":" WHOLE ",\"last_step\":" WHOLE ",\"count\":" WHOLE ",\"min\":" NUMBER_OR_NULL ",\"max\":" NUMBER_OR_NULL
				",\"last\":" NUMBER_OR_NULL ",\"min_step\":" WHOLE ",\"max_step\":" WHOLE) "}") "}") },
	{ "Sample", OBJECT("\"epoch\",\"step\",\"url\"",
		"\"epoch\":" WHOLE ",\"step\":" WHOLE ",\"url\":" TEXT ",\"size\":" WHOLE ",\"sha256\":" TEXT ",\"created_at\":" TIME) },
	{ "Samples", LIST("samples", REF("Sample")) },
	{ "Checkpoint", OBJECT("\"id\",\"job\",\"epoch\",\"step\",\"url\"",
		"\"id\":" WHOLE ",\"job\":" WHOLE ",\"epoch\":" WHOLE ",\"step\":" WHOLE ",\"size\":" WHOLE ",\"sha256\":" TEXT
		",\"name\":" TEXT ",\"pinned\":" FLAG ",\"score\":" NUMBER_OR_NULL ",\"created_at\":" TIME ",\"url\":" TEXT) },
	{ "CheckpointPatch", "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
		"\"pinned\":{\"type\":\"boolean\",\"description\":\"kept, whatever keep_last says\"},"
		"\"name\":{\"type\":\"string\",\"maxLength\":127," NO_NUL ",\"description\":\"at most 127 bytes\"}}}" },
	{ "Checkpoints", LIST("checkpoints", REF("Checkpoint")) },
	{ "Log", LIST("log", OBJECT("\"at\",\"level\",\"text\"",
		"\"at\":" TIME ",\"level\":{\"type\":\"string\",\"enum\":[\"info\",\"warning\",\"error\"]},\"text\":" TEXT)) },
	{ "GenerateRequest", "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
		"\"n\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":1024,\"default\":64},"
		"\"seed\":{\"type\":\"integer\",\"description\":\"of the noise\"},"
		"\"z\":{\"type\":\"array\",\"description\":\"the noise itself, instead of n and seed: a vector a picture\","
		"\"minItems\":1,\"maxItems\":1024,\"items\":{\"type\":\"array\",\"items\":" NUMBER "}},"
		"\"columns\":{\"type\":\"integer\",\"minimum\":1,\"description\":\"of the grid\"}}}" },
	{ "Generated", OBJECT("\"n\",\"size\",\"channels\",\"z\",\"images\"",
		"\"n\":" WHOLE ",\"size\":" WHOLE ",\"channels\":" WHOLE ",\"z\":{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":" NUMBER "}},"
		"\"images\":{\"type\":\"array\",\"items\":{\"type\":\"string\",\"description\":\"data:image/png;base64,...\"}}") },
	{ "Dataset", OBJECT("\"name\",\"format\",\"count\",\"width\",\"height\",\"channels\",\"classes\",\"builtin\"",
		"\"name\":" TEXT ",\"format\":" TEXT ",\"count\":" WHOLE ",\"width\":" WHOLE ",\"height\":" WHOLE ",\"channels\":" WHOLE
		",\"classes\":" WHOLE ",\"builtin\":" FLAG ",\"created_at\":" TIME ",\"preview\":" TEXT ",\"class_names\":" TEXTS) },
	{ "Datasets", LIST("datasets", REF("Dataset")) },
	{ "DatasetRequest", "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"name\",\"path\"],\"properties\":{"
		"\"name\":{\"type\":\"string\",\"pattern\":\"^[a-z0-9][a-z0-9._-]*$\",\"maxLength\":63},"
		"\"path\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":4095,\"description\":\"below one of the daemon's data set roots\"},"
		"\"format\":{\"type\":\"string\",\"enum\":[\"auto\",\"idx\",\"cifar10\",\"cifar100\",\"folder\"],\"default\":\"auto\"}}}" },
	{ "Session", OBJECT("\"needed\",\"name\",\"scope\",\"until\"",
		"\"needed\":{\"type\":\"boolean\",\"description\":\"has this daemon tokens?\"},\"name\":" TEXT_OR_NULL
		",\"scope\":{\"enum\":[\"read\",\"write\",\"admin\",null]},\"until\":" TIME_OR_NULL) },
	{ "SessionRequest", "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"token\"],\"properties\":{"
		"\"token\":{\"type\":\"string\"," NO_NUL "}}}" },
	{ "Health", OBJECT("\"status\"", "\"status\":{\"const\":\"ok\"}") },
	{ "Version", OBJECT("\"version\",\"kernels\",\"presets\"",
		"\"name\":" TEXT ",\"version\":" TEXT ",\"kernels\":" TEXTS ",\"presets\":" TEXTS ",\"http\":" TEXT) },
	{ NULL },
};
