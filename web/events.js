// The daemon's event stream, one a browser however many tabs are open.
//
// A browser allows six connections to a host, and each stream holds one for good. So the
// tab that holds the Web Lock reads the stream and hands every event on through a
// BroadcastChannel; when it goes, the next in line reads on from the last event seen. Where
// there are no locks (plain http from another machine) each tab has a stream of its own
// and drops it while it is hidden.
//
// bus: an EventTarget. CustomEvents "state", "progress", "metric", "sample", "checkpoint",
// "score", "log", "job" with the event's object as detail; "reset": events were missed, load anew;
// "connection" with {online}.

export const bus = new EventTarget();

const TYPES = ['state', 'progress', 'metric', 'sample', 'checkpoint', 'score', 'log', 'job'];
const NAME = 'dcgand-events';
const SILENCE_MS = 45000; // without an event: the stream may be dead
const OPEN_MS = 10000;    // a stream that takes longer to open will not

let channel = null;
let source = null;
let retryTimer = 0;
let retryMs = 1000;
let lastId = null;
let heardAt = Date.now();
let online = null;
let leading = false;
let settle;

/** Resolves once events are flowing (or it is known that they do not): state loaded after
 * this misses nothing. */
export const ready = new Promise((resolve) => {
	settle = resolve;
	setTimeout(resolve, 2500);
});

function emit(type, detail) {
	bus.dispatchEvent(new CustomEvent(type, { detail }));
}

function setOnline(value) {
	if (leading)
		channel?.postMessage({ kind: 'status', online: value, lastId });
	settle();
	if (online === value)
		return;
	online = value;
	emit('connection', { online });
}

/** Hands one event on, once: a stream that goes on may repeat what was seen. */
function deliver(type, id, detail) {
	heardAt = Date.now();
	const number = Number(id);
	if (type === 'reset') {
		lastId = number > 0 ? number : null;
	} else {
		if (lastId !== null && number <= lastId)
			return;
		lastId = number;
	}
	if (leading)
		channel?.postMessage({ kind: 'event', type, id, detail });
	emit(type, detail);
}

function open() {
	close();
	const missed = lastId === null && online !== null;
	retryTimer = setTimeout(() => {
		setOnline(false);
		open();
	}, OPEN_MS);
	source = new EventSource(lastId === null ? '/events' : `/events?after=${lastId}`);
	source.onopen = () => {
		clearTimeout(retryTimer);
		heardAt = Date.now();
		retryMs = 1000;
		setOnline(true);
		if (missed)
			deliver('reset', 0, {});
	};
	source.onerror = () => {
		setOnline(false);
		clearTimeout(retryTimer);
		// The browser retries by itself unless the answer was an HTTP error.
		if (source.readyState === EventSource.CLOSED) {
			retryTimer = setTimeout(open, retryMs);
			retryMs = Math.min(retryMs * 2, 15000);
		}
	};
	for (const type of [...TYPES, 'reset'])
		source.addEventListener(type, (event) => {
			let detail;
			try {
				detail = JSON.parse(event.data || '{}');
			} catch {
				return; // cut off in the middle; it comes again
			}
			deliver(type, event.lastEventId, detail);
		});
}

function close() {
	clearTimeout(retryTimer);
	source?.close();
	source = null;
}

/** Until retryNow: while nobody is logged in there is nothing to ask for. */
export function rest() {
	close();
}

/** For the banner's button. */
export function retryNow() {
	if (leading || !channel)
		open();
	else
		channel?.postMessage({ kind: 'retry' });
}

/** A connection can die without a word (a laptop that slept, a proxy that forgot it), and the heartbeats are comments
 * that the page never sees: after a silence read on in a new stream, which misses nothing and says whether anybody is there. */
function watch() {
	if (source && online && Date.now() - heardAt >= SILENCE_MS) {
		heardAt = Date.now();
		open();
	}
}

function lead() {
	leading = true;
	open();
	return new Promise((release) => addEventListener('pagehide', () => {
		leading = false;
		close();
		release();
	}, { once: true }));
}

function follow(message) {
	if (message.kind === 'hello' && leading)
		channel.postMessage({ kind: 'status', online: online === true, lastId });
	else if (message.kind === 'retry' && leading)
		open();
	else if (leading)
		return;
	else if (message.kind === 'status') {
		lastId = message.lastId;
		setOnline(message.online);
	} else if (message.kind === 'event')
		deliver(message.type, message.id, message.detail);
}

function join() {
	channel ??= new BroadcastChannel(NAME);
	channel.onmessage = (event) => follow(event.data);
	channel.postMessage({ kind: 'hello' });
	navigator.locks.request(NAME, lead);
}

export function start() {
	setInterval(watch, 15000);
	if (!navigator.locks || !window.BroadcastChannel) {
		open();
		document.addEventListener('visibilitychange', () => document.hidden ? close() : open());
		return;
	}
	join();
	// Back from the back/forward cache: the lock is gone and so are the events since.
	addEventListener('pageshow', (event) => {
		if (!event.persisted)
			return;
		emit('reset', {});
		join();
	});
}
