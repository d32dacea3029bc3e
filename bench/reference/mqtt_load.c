// SPDX-License-Identifier: Apache-2.0
//
// Keeps WINDOW requests in flight and counts answers: the highest rate that a broker and a
// service behind it can turn round (closed loop, so it says nothing about latency under a rate).
// Usage: mqtt_load PORT QOS REQUEST_TOPIC RESULT_TOPIC WINDOW WARM_UP_S SECONDS PAYLOAD
// PAYLOAD: the text itself, or @FILE for a file's bytes.
// Prints one JSON line: answers, errors (answers that contain "error"), seconds, per_s.
#include <mosquitto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char* request_topic;
static const char* payload;
static int payload_length;
static int qos;
static int window;
static long answers;
static long errors;

static double now_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void read_payload(const char* path) {
  FILE* in = fopen(path, "rb");
  if (in == NULL) {
    fprintf(stderr, "mqtt_load: cannot open %s\n", path);
    exit(2);
  }
  static char bytes[16 << 20];
  payload_length = (int)fread(bytes, 1, sizeof(bytes), in);
  payload = bytes;
  fclose(in);
}

static void send_one(struct mosquitto* client) {
  mosquitto_publish(client, NULL, request_topic, payload_length, payload, qos, false);
}

static void on_subscribe(struct mosquitto* client, void* user, int mid, int count,
                         const int* granted) {
  (void)user, (void)mid, (void)count, (void)granted;
  for (int i = 0; i < window; ++i) send_one(client);
}

static void on_message(struct mosquitto* client, void* user,
                       const struct mosquitto_message* message) {
  (void)user;
  ++answers;
  if (memmem(message->payload, (size_t)message->payloadlen, "\"error\"", 7) != NULL) ++errors;
  send_one(client);
}

int main(int argc, char** argv) {
  if (argc != 9) {
    fprintf(stderr,
            "usage: mqtt_load PORT QOS REQUEST_TOPIC RESULT_TOPIC WINDOW WARM_UP_S SECONDS PAYLOAD\n");
    return 2;
  }
  qos = atoi(argv[2]);
  request_topic = argv[3];
  window = atoi(argv[5]);
  const double warm_up_s = atof(argv[6]);
  const double seconds = atof(argv[7]);
  payload = argv[8];
  payload_length = (int)strlen(payload);
  if (payload[0] == '@') read_payload(payload + 1);
  mosquitto_lib_init();
  struct mosquitto* client = mosquitto_new(NULL, true, NULL);
  mosquitto_int_option(client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
  mosquitto_int_option(client, MOSQ_OPT_TCP_NODELAY, 1);
  mosquitto_int_option(client, MOSQ_OPT_SEND_MAXIMUM, 65535);
  mosquitto_int_option(client, MOSQ_OPT_RECEIVE_MAXIMUM, 65535);
  mosquitto_subscribe_callback_set(client, on_subscribe);
  mosquitto_message_callback_set(client, on_message);
  if (mosquitto_connect(client, "127.0.0.1", atoi(argv[1]), 60) != MOSQ_ERR_SUCCESS) {
    fprintf(stderr, "mqtt_load: cannot connect to 127.0.0.1:%s\n", argv[1]);
    return 1;
  }
  mosquitto_subscribe(client, NULL, argv[4], qos);
  const double begin = now_s();
  while (now_s() - begin < warm_up_s) mosquitto_loop(client, 100, 1);
  const long answers_before = answers;
  const long errors_before = errors;
  const double start = now_s();
  double elapsed = 0.0;
  while ((elapsed = now_s() - start) < seconds) mosquitto_loop(client, 100, 1);
  printf("{\"answers\": %ld, \"errors\": %ld, \"seconds\": %.3f, \"per_s\": %.1f}\n",
         answers - answers_before, errors - errors_before, elapsed,
         (double)(answers - answers_before) / elapsed);
  mosquitto_destroy(client);
  mosquitto_lib_cleanup();
  return 0;
}
