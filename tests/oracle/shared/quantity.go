package main

import (
	"encoding/json"
	"reflect"
	"strconv"

	"k8s.io/apimachinery/pkg/api/resource"
)

type quantityInput struct {
	Op    string `json:"op"`
	S     string `json:"s"`
	A     string `json:"a"`
	B     string `json:"b"`
	Scale int32  `json:"scale"`
}

func judgeQuantity(input json.RawMessage) interface{} {
	var asked quantityInput
	decode(input, &asked)
	switch asked.Op {
	case "parse":
		return with(asked.S, func(q resource.Quantity) interface{} { return describe(q) })
	case "round_up":
		return with(asked.S, func(q resource.Quantity) interface{} {
			exact := q.RoundUp(resource.Scale(asked.Scale))
			return map[string]interface{}{"exact": exact, "result": describe(q)}
		})
	case "add":
		return withBoth(asked, func(a, b resource.Quantity) interface{} { a.Add(b); return describe(a) })
	case "sub":
		return withBoth(asked, func(a, b resource.Quantity) interface{} { a.Sub(b); return describe(a) })
	case "cmp":
		return withBoth(asked, func(a, b resource.Quantity) interface{} { return a.Cmp(b) })
	default:
		panic(refusal("unknown op " + strconv.Quote(asked.Op)))
	}
}

func with(text string, then func(resource.Quantity) interface{}) interface{} {
	q, err := resource.ParseQuantity(text)
	if err != nil {
		return map[string]string{"error": errorName(err)}
	}
	return then(q)
}

func withBoth(asked quantityInput, then func(a, b resource.Quantity) interface{}) interface{} {
	return with(asked.A, func(a resource.Quantity) interface{} {
		return with(asked.B, func(b resource.Quantity) interface{} { return then(a, b) })
	})
}

func errorName(err error) string {
	switch err {
	case resource.ErrFormatWrong:
		return "ErrFormatWrong"
	case resource.ErrNumeric:
		return "ErrNumeric"
	case resource.ErrSuffix:
		return "ErrSuffix"
	default:
		return err.Error()
	}
}

// describe says everything that a quantity answers. The canonical form is asked for first: String keeps its
// result in the quantity, and a parsed text may be kept as it was written.
func describe(q resource.Quantity) map[string]interface{} {
	number, suffix := q.CanonicalizeBytes(nil)
	told := map[string]interface{}{
		"canonical":        string(number) + string(suffix),
		"string":           q.String(),
		"format":           string(q.Format),
		"value":            decimal(q.Value()),
		"milli":            decimal(q.MilliValue()),
		"micro":            decimal(q.ScaledValue(resource.Micro)),
		"nano":             decimal(q.ScaledValue(resource.Nano)),
		"scaled_kilo":      decimal(q.ScaledValue(resource.Kilo)),
		"sign":             q.Sign(),
		"is_zero":          q.IsZero(),
		"stored_as_bigdec": !reflect.ValueOf(q).FieldByName("d").FieldByName("Dec").IsNil(),
		"approx_float64":   float(q.AsApproximateFloat64()),
	}
	if whole, ok := q.AsInt64(); ok {
		told["as_int64"] = decimal(whole)
	}
	if slow, ok := interface{}(&q).(interface{ AsFloat64Slow() float64 }); ok {
		told["float64_slow"] = float(slow.AsFloat64Slow())
	}
	return told
}

// Numbers travel as text: 64 bits do not survive a JSON reader that knows doubles only.
func decimal(n int64) string { return strconv.FormatInt(n, 10) }

func float(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
