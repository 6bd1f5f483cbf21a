/* Connections whose requests are late are cut, and only those. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/request.h"
#include "api/server.h"
#include "tests/tap.h"

static struct dcg_peers peers;
static struct dcg_peer peer;
static int client;

static void setup(void)
{
	int pair[2];
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	client = pair[1];
	peer = (struct dcg_peer){ .fd = pair[0] };
	pthread_mutex_init(&peers.lock, NULL);
	peers.head = &peer;
}

static void teardown(void)
{
	close(client);
	close(peer.fd);
	pthread_mutex_destroy(&peers.lock);
}

/* 1: the client sees the end. */
static int is_cut(void)
{
	char byte;
	return recv(client, &byte, 1, 0) == 0;
}

START_TEST(late_ones_are_cut)
{
	atomic_store(&peer.deadline_ms, 0);
	dcg_peers_cut(&peers);
	ck_assert(!is_cut());
	atomic_store(&peer.deadline_ms, dcg_api_clock_ms() + 60000);
	dcg_peers_cut(&peers);
	ck_assert(!is_cut());
	atomic_store(&peer.deadline_ms, dcg_api_clock_ms() - 1);
	dcg_peers_cut(&peers);
	ck_assert(is_cut());
	ck_assert_int_eq(atomic_load(&peer.deadline_ms), 0);
}
END_TEST

static atomic_int done;

static void *requests(void *arg)
{
	int64_t later = dcg_api_clock_ms() + 60000;
	(void)arg;
	while (!atomic_load(&done)) {
		atomic_store(&peer.deadline_ms, later);
		atomic_store(&peer.deadline_ms, 0);
	}
	return NULL;
}

/* A request that has arrived loses its deadline while the other thread looks at it. */
START_TEST(none_is_cut_as_its_request_arrives)
{
	pthread_t thread;
	ck_assert_int_eq(pthread_create(&thread, NULL, requests, NULL), 0);
	int64_t end = dcg_api_clock_ms() + 500;
	while (dcg_api_clock_ms() < end)
		for (int i = 0; i < 1000; i++)
			dcg_peers_cut(&peers);
	atomic_store(&done, 1);
	pthread_join(thread, NULL);
	ck_assert(!is_cut());
}
END_TEST

/* What bodies and answers may hold together; those that a refused one was to hold are not counted. */
START_TEST(room_for_what_is_large)
{
	struct dcg_api api = { 0 };
	struct dcg_request body = { .api = &api }, other = { .api = &api }, answer = { .api = &api };
	ck_assert_int_eq(dcg_request_hold(&body, (size_t)DCG_HELD_BODIES + 1, DCG_HELD_BODIES), 0); /* alone */
	ck_assert_int_eq(dcg_request_hold(&other, DCG_HELD_NOT + 1, DCG_HELD_BODIES), -1);
	ck_assert_int_eq(dcg_request_hold(&other, DCG_HELD_NOT, DCG_HELD_BODIES), 0);
	dcg_request_let_go(&body);
	ck_assert_uint_eq(atomic_load(&api.held), 0);
	ck_assert_int_eq(dcg_request_hold(&body, DCG_HELD_BODIES - (1 << 20), DCG_HELD_BODIES), 0);
	ck_assert_int_eq(dcg_request_hold(&other, (1 << 20) + 1, DCG_HELD_BODIES), -1);
	ck_assert_int_eq(dcg_request_hold(&other, 1 << 20, DCG_HELD_BODIES), 0);
	ck_assert_int_eq(dcg_request_hold(&answer, (size_t)(DCG_HELD_ALL - DCG_HELD_BODIES) + 1, DCG_HELD_ALL), -1);
	ck_assert_int_eq(dcg_request_hold(&answer, DCG_HELD_ALL - DCG_HELD_BODIES, DCG_HELD_ALL), 0);
	dcg_request_let_go(&body);
	dcg_request_let_go(&other);
	ck_assert_uint_eq(atomic_load(&api.held), DCG_HELD_ALL - DCG_HELD_BODIES);
	dcg_request_let_go(&answer);
	ck_assert_uint_eq(atomic_load(&api.held), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("peers");
	TCase *t = tcase_create("peers");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, late_ones_are_cut);
	tcase_add_test(t, none_is_cut_as_its_request_arrives);
	tcase_add_test(t, room_for_what_is_large);
	suite_add_tcase(suite, t);
	return tap_run(suite);
}
