/**
 * What a GPU is used as: whole, or cut into slices of some type. An allocation refers to its device and use together, so that
 * the database itself never lets one GPU be given as two things (S-01). Also, which of several nodes an allocation is on.
 */
import type { Migration } from "../migrate.ts";

export const devices: Migration = {
  number: 4,
  name: "0004-devices",
  statements: (text) => [
    `alter table capacity add column indices ${text}`,
    `alter table capacity add column slice_of ${text}`,
    `alter table capacity add column per_gpu integer not null default 1 check (per_gpu > 0)`,

    `create table devices (
      node ${text} not null,
      device_type ${text} not null,
      device_index integer not null check (device_index >= 0),
      used_as ${text} not null,
      primary key (node, device_type, device_index),
      unique (node, device_type, device_index, used_as)
    )`,
    `insert into devices (node, device_type, device_index, used_as)
      select node, gpu_type, gpu_index, gpu_type from allocations`,

    `create table allocations_next (
      node ${text} not null,
      gpu_type ${text} not null,
      gpu_index integer not null check (gpu_index >= 0),
      device_type ${text} not null,
      device_index integer not null,
      node_rank integer not null default 0 check (node_rank >= 0),
      reservation_id ${text} not null references reservations (id),
      primary key (node, gpu_type, gpu_index),
      foreign key (node, device_type, device_index, gpu_type)
        references devices (node, device_type, device_index, used_as)
    )`,
    `insert into allocations_next (node, gpu_type, gpu_index, device_type, device_index, reservation_id)
      select node, gpu_type, gpu_index, gpu_type, gpu_index, reservation_id from allocations`,
    `drop table allocations`,
    `alter table allocations_next rename to allocations`,
    `create index allocations_by_reservation on allocations (reservation_id)`,
    `create index allocations_by_type on allocations (gpu_type)`,
    `create index allocations_by_device on allocations (device_type)`,

    `alter table secrets add column peer_key ${text}`,
    `alter table secrets add column peer_public ${text}`,
  ],
};
