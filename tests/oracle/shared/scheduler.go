package main

import (
	"reflect"
	"unsafe"

	"k8s.io/kubernetes/pkg/scheduler"
)

//go:linkname schedulerNumFeasibleNodesToFind k8s.io/kubernetes/pkg/scheduler.(*Scheduler).numFeasibleNodesToFind
func schedulerNumFeasibleNodesToFind(sched *scheduler.Scheduler, profile *int32, numAllNodes int32) int32

// numFeasibleNodesToFind asks the real scheduler struct, of which the function reads one unexported field.
func numFeasibleNodesToFind(global int32, profile *int32, numAllNodes int32) int32 {
	sched := &scheduler.Scheduler{}
	field := reflect.ValueOf(sched).Elem().FieldByName("percentageOfNodesToScore")
	*(*int32)(unsafe.Pointer(field.UnsafeAddr())) = global
	return schedulerNumFeasibleNodesToFind(sched, profile, numAllNodes)
}
