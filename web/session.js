// Logging in: a daemon with tokens asks for one, once, and sets a cookie that no script can
// read. While nobody is logged in, the log-in view stands in the place of the one that the
// address names; the address stays, and so does what it shows afterwards.

import { h, announce, busy, setText, toast, uniqueId } from './dom.js';
import * as api from './api.js';
import { bus } from './events.js';

/** "change": it is known who we are, or we are somebody else: logged in, or to log in. */
export const session = new EventTarget();

let who = null; // the daemon's answer; null: not asked yet
let asking = null;
const tabs = new BroadcastChannel('dcgand-session');

/** Has somebody to log in before anything can be shown? */
export function locked() {
	return who !== null && who.needed && who.scope === null;
}

/** How a job's object is posted from a terminal. */
export function curlCommand(object) {
	const quoted = JSON.stringify(object).replaceAll("'", "'\\''");
	return [`curl ${location.origin}/jobs`, ...(who?.needed ? ['-H "Authorization: Bearer $TOKEN"'] : []), "-H 'Content-Type: application/json'", `-d '${quoted}'`].join(' \\\n  ');
}

function take(answer) {
	const before = who;
	who = answer;
	const out = document.getElementById('who');
	out.hidden = !who.needed || locked();
	// What this scope may not do is not offered: see [data-needs] in style.css.
	document.documentElement.dataset.scope = who.needed ? who.scope ?? '' : 'admin';
	setText(out.querySelector('span'), who.name === null ? '' : `${who.name} (${who.scope})`);
	if (before?.scope !== who.scope || before.name !== who.name)
		session.dispatchEvent(new Event('change'));
}

/** Asks the daemon who we are. A daemon that does not answer changes nothing. */
export function ask() {
	asking ??= api.get('/session').then(take, () => {}).finally(() => {
		asking = null;
	});
	return asking;
}

/** A view as those in app.js; .focus is where the keyboard goes. */
export function loginView() {
	const id = uniqueId('token');
	const input = h('input', {
		id, name: 'token', type: 'password', required: true, autocomplete: 'current-password', spellcheck: 'false',
		'aria-describedby': `${id}-error ${id}-hint`,
	});
	const error = h('p', { class: 'field-error', id: `${id}-error`, role: 'alert' });
	const button = h('button', { class: 'primary' }, 'Log in');
	function refuse(text) {
		setText(error, text);
		input.setAttribute('aria-invalid', 'true');
		input.select();
		input.focus();
	}
	async function submit(event) {
		event.preventDefault();
		const token = input.value.trim();
		setText(error, '');
		input.removeAttribute('aria-invalid');
		busy(button, true);
		try {
			const answer = await api.post('/session', { token });
			input.value = '';
			announce(`Logged in as ${answer.name}`);
			take(answer);
			tabs.postMessage('in');
		} catch (problem) {
			refuse(problem.status === 401 ? 'This is not one of the daemon’s tokens.' : problem.message);
		} finally {
			busy(button, false);
		}
	}
	input.addEventListener('input', () => {
		setText(error, '');
		input.removeAttribute('aria-invalid');
	});
	const form = h('form', { class: 'card login', onsubmit: submit, novalidate: true },
		h('h1', {}, 'Log in'),
		// For password managers, which keep a secret by the name of a user.
		h('input', { type: 'text', autocomplete: 'username', value: 'dcgand', readonly: true, hidden: true }),
		h('div', { class: 'field' }, h('label', { for: id }, 'Token'), input, error,
			h('p', { class: 'hint', id: `${id}-hint` }, 'The daemon’s administrator makes one with ', h('code', {}, 'dcgand --new-token'), '.')),
		h('div', { class: 'row end' }, button));
	return { title: 'Log in', node: form, focus: input };
}

async function leave() {
	try {
		await api.remove('/session');
	} catch (error) {
		toast(error.message, 'error');
		return;
	}
	// A fresh start ends all that this tab and the others hold of the session, streams too.
	tabs.postMessage('out');
	location.reload();
}

/** Once, at the beginning: resolves when that is known ("change" came), or cannot be. */
export function begin() {
	document.getElementById('logout').addEventListener('click', leave);
	tabs.onmessage = (event) => event.data === 'out' ? location.reload() : ask();
	// The stream ends when its token is gone, and opens again when another tab has logged in.
	bus.addEventListener('connection', ask);
	api.refused.addEventListener('401', ask);
	return ask();
}
