package main

import (
	v1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/apis/core/v1/helper/qos"
)

// GetPodQOS of this release always computes: it never reads the status.
func computePodQOS(pod *v1.Pod) v1.PodQOSClass { return qos.GetPodQOS(pod) }

func podQOS(pod *v1.Pod) v1.PodQOSClass { return qos.GetPodQOS(pod) }

// The pod's own resources came with 1.32.
func podResources(*v1.Pod) *v1.ResourceRequirements { return nil }
