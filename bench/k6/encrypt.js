// The specification's k6 script (100 users, one request a second each), corrected: a token, the content type, and
// JSON.stringify. P95 is the limit of the 95th percentile in milliseconds: 5 instead of 200.
//
//   BASE_URL=http://127.0.0.1:8000 TOKEN=… k6 run --no-usage-report bench/k6/encrypt.js
//
// RAMP and STAY shorten the stages.
import http from 'k6/http';
import { check, sleep } from 'k6';

const ramp = __ENV.RAMP || '2m';

export const options = {
  stages: [
    { duration: ramp, target: 100 }, // Ramp up
    { duration: __ENV.STAY || '5m', target: 100 }, // Stay at 100 users
    { duration: ramp, target: 0 }, // Ramp down
  ],
  thresholds: {
    http_req_duration: [`p(95)<${__ENV.P95 || 5}`],
    http_req_failed: ['rate==0'],
  },
};

export default function () {
  const response = http.post(
    `${__ENV.BASE_URL || 'http://127.0.0.1:8000'}/api/v1/encrypt`,
    JSON.stringify({
      algorithm: 'aes-256-gcm',
      data: 'dGVzdCBkYXRh', // base64 encoded "test data"
    }),
    { headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${__ENV.TOKEN}` } },
  );

  check(response, {
    'status is 200': (r) => r.status === 200,
    'response time < 200ms': (r) => r.timings.duration < 200,
  });

  sleep(1);
}
