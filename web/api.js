// The HTTP API (docs/api.md). Every call rejects with an ApiError that says why.

export class ApiError extends Error {
	/** problem: RFC 9457 object, or {} */
	constructor(status, problem, fallback) {
		super(problem.detail || problem.title || fallback);
		this.status = status;
		/** [{pointer, detail}]: what is wrong with which field. */
		this.fields = (Array.isArray(problem.errors) ? problem.errors : []).map((e) => ({ pointer: String(e.pointer ?? ''), detail: String(e.detail ?? '') }));
	}
}

/** "401": the daemon wants a token, or another one. */
export const refused = new EventTarget();

const TIMEOUT_MS = 30000;

async function request(method, path, { body, accept = 'application/json', timeout = TIMEOUT_MS, signal, match } = {}) {
	const headers = { Accept: accept };
	if (match !== undefined)
		headers['If-Match'] = match;
	if (method !== 'GET')
		headers['Content-Type'] = 'application/json';
	const limit = AbortSignal.timeout(timeout);
	let response;
	try {
		response = await fetch(path, { method, headers, body, cache: 'no-cache', signal: signal ? anySignal([signal, limit]) : limit });
	} catch (error) {
		if (signal?.aborted)
			throw error;
		throw new ApiError(0, {}, error.name === 'TimeoutError' ? 'The daemon did not answer in time.' : 'The daemon cannot be reached.');
	}
	if (response.ok)
		return response;
	if (response.status === 401 && path !== '/session')
		refused.dispatchEvent(new Event('401'));
	let problem = {};
	try {
		problem = await response.json();
	} catch {
		// Not from the daemon's own error path: the status line has to do.
	}
	throw new ApiError(response.status, problem ?? {}, `The daemon answered ${response.status} ${response.statusText}`);
}

function anySignal(signals) {
	const controller = new AbortController();
	for (const s of signals) {
		if (s.aborted)
			controller.abort(s.reason);
		s.addEventListener('abort', () => controller.abort(s.reason), { once: true, signal: controller.signal });
	}
	return controller.signal;
}

export async function get(path, options) {
	return (await request('GET', path, options)).json();
}

export async function getText(path, accept, options) {
	return (await request('GET', path, { ...options, accept })).text();
}

export async function post(path, object, options) {
	return (await request('POST', path, { ...options, body: object === undefined ? undefined : JSON.stringify(object) })).json();
}

/** match: the ETag of what was looked at; '*' changes it whatever it is now. */
export async function patch(path, object, { match = '*', ...options } = {}) {
	return (await request('PATCH', path, { ...options, match, body: JSON.stringify(object) })).json();
}

export async function postForImage(path, object, options) {
	return (await request('POST', path, { timeout: 600000, ...options, accept: 'image/png', body: JSON.stringify(object) })).blob();
}

export async function remove(path, options) {
	await request('DELETE', path, options);
}

/** All pages of a list, up to a bound that keeps a page of thousands usable. */
export async function getAll(path, key, options, most = 10000) {
	const all = [];
	let cursor = null;
	do {
		const page = await get(`${path}?limit=200${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`, options);
		all.push(...page[key]);
		cursor = page.next;
	} while (cursor !== null && cursor !== undefined && all.length < most);
	return all;
}

let specification;
/** /openapi.json, once. */
export function openapi() {
	specification ??= get('/openapi.json').catch((error) => {
		specification = undefined;
		throw error;
	});
	return specification;
}

/** The JSON Schema of a new job's object. */
export async function jobSchema() {
	const spec = await openapi();
	let schema = spec.paths['/jobs'].post.requestBody.content['application/json'].schema;
	while (schema.$ref)
		schema = schema.$ref.replace(/^#\//, '').split('/').reduce((at, key) => at[key], spec);
	return schema;
}
