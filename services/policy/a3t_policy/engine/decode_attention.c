/* Attention of one new token in each row over that row's cached keys and values, in place.
 *
 * keys and values: [slot][token][kv head][dim] in float32, `slot_stride` floats from slot to slot.
 * query: `rows` rows of [head][dim], `query_stride` floats apart. out: [row][head][dim].
 * Row r attends to the first lengths[r] tokens of slot slots[r]. A row's result depends on nothing but the row.
 * Returns 0, or 1 if there is no memory.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* e^x for x <= 0, by Cephes' polynomial: written out, so that compilers make vectors of it. */
static inline float exponential(float x) {
  x = x < -87.0f ? -87.0f : x;
  float n = floorf(x * 1.44269504088896341f + 0.5f);
  float r = x - n * 0.693359375f;
  r += n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  int32_t bits = ((int32_t)n + 127) << 23;
  float scale;
  memcpy(&scale, &bits, sizeof scale);
  return p * scale;
}

static inline __attribute__((always_inline)) void attend_row(
    const float *query, const float *keys, const float *values, float *restrict out, float *restrict scores,
    int64_t length, int64_t heads, int64_t kv_heads, int64_t dim, float scale) {
  const int64_t groups = heads / kv_heads, token = kv_heads * dim;
  for (int64_t t = 0; t < length; t++)
    for (int64_t h = 0; h < heads; h++) {
      const float *q = query + h * dim, *k = keys + t * token + (h / groups) * dim;
      float sum = 0.0f;
      for (int64_t d = 0; d < dim; d++) sum += q[d] * k[d];
      scores[h * length + t] = sum * scale;
    }
  for (int64_t h = 0; h < heads; h++) {
    float *s = scores + h * length, most = s[0], sum = 0.0f;
    for (int64_t t = 1; t < length; t++) most = s[t] > most ? s[t] : most;
    for (int64_t t = 0; t < length; t++) s[t] = exponential(s[t] - most);
    for (int64_t t = 0; t < length; t++) sum += s[t];
    const float share = 1.0f / sum;
    for (int64_t t = 0; t < length; t++) s[t] *= share;
  }
  for (int64_t i = 0; i < heads * dim; i++) out[i] = 0.0f;
  for (int64_t t = 0; t < length; t++)
    for (int64_t h = 0; h < heads; h++) {
      const float p = scores[h * length + t], *v = values + t * token + (h / groups) * dim;
      for (int64_t d = 0; d < dim; d++) out[h * dim + d] += p * v[d];
    }
}

int a3t_decode_attention(
    const float *query, int64_t query_stride, const float *keys, const float *values, int64_t slot_stride,
    const int64_t *slots, const int64_t *lengths, int64_t rows, int64_t heads, int64_t kv_heads, int64_t dim,
    float scale, float *out) {
  int64_t longest = 0;
  for (int64_t r = 0; r < rows; r++) longest = lengths[r] > longest ? lengths[r] : longest;
  float *scores = malloc((size_t)(heads * (longest + 1)) * sizeof(float));
  if (!scores) return 1;
  for (int64_t r = 0; r < rows; r++) {
    const float *q = query + r * query_stride, *k = keys + slots[r] * slot_stride, *v = values + slots[r] * slot_stride;
    float *o = out + r * heads * dim;
    if (dim == 32) /* the compiler unrolls what it knows */
      attend_row(q, k, v, o, scores, lengths[r], heads, kv_heads, 32, scale);
    else if (dim == 64)
      attend_row(q, k, v, o, scores, lengths[r], heads, kv_heads, 64, scale);
    else
      attend_row(q, k, v, o, scores, lengths[r], heads, kv_heads, dim, scale);
  }
  free(scores);
  return 0;
}
